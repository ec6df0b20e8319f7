//! Progress of a run, reported as lines of text or on Burn's terminal display.

use std::{
    fmt,
    io::{IsTerminal, Write, stderr, stdout},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use burn::train::{
    Interrupter,
    logger::TrainingProgressLogger,
    metric::{
        MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry,
        SerializedEntry,
    },
    renderer::{MetricState, MetricsRenderer, MetricsRendererTraining, tui::TuiMetricsRendererWrapper},
};
use context_encoder_data::Skipped;

use crate::{StepRecord, Validation};

/// What a run is about to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Steps done before.
    pub first_step: u64,
    /// Steps when it is complete.
    pub steps: u64,
    /// Steps an epoch.
    pub steps_per_epoch: u64,
    /// Pictures a step.
    pub batch_size: usize,
    /// Parameters of the generator.
    pub parameters: usize,
    /// Training pictures, in words.
    pub data: String,
    /// What is hidden, in words.
    pub masks: String,
    /// Where it computes, in words.
    pub device: String,
    /// The run's folder.
    pub folder: PathBuf,
}

/// Reports a run; every method but [`steps`](Self::steps) may be left as it is.
pub trait Progress: Send {
    /// The run begins.
    fn begin(&mut self, _plan: &Plan) {}

    /// Steps were done; the last of them is the newest.
    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput);

    /// The network was validated.
    fn validated(&mut self, _validation: &Validation) {}

    /// A file was written.
    fn written(&mut self, _file: &Path) {}

    /// Something about how the run was configured, such as the new name of a key.
    fn remark(&mut self, _remark: &str) {}

    /// A picture cannot be used and is skipped; reported once for each.
    fn skipped(&mut self, _picture: &Skipped) {}

    /// The run is over, complete or stopped.
    fn end(&mut self) {}

    /// Whether the run should write its checkpoint and stop; asked after every step.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Reports nothing.
impl Progress for () {
    fn steps(&mut self, _records: &[StepRecord], _throughput: &Throughput) {}
}

impl<P: Progress + ?Sized> Progress for Box<P> {
    fn begin(&mut self, plan: &Plan) {
        (**self).begin(plan);
    }

    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput) {
        (**self).steps(records, throughput);
    }

    fn validated(&mut self, validation: &Validation) {
        (**self).validated(validation);
    }

    fn written(&mut self, file: &Path) {
        (**self).written(file);
    }

    fn remark(&mut self, remark: &str) {
        (**self).remark(remark);
    }

    fn skipped(&mut self, picture: &Skipped) {
        (**self).skipped(picture);
    }

    fn end(&mut self) {
        (**self).end();
    }

    fn should_stop(&self) -> bool {
        (**self).should_stop()
    }
}

/// Reports to both; either may stop the run.
impl<A: Progress, B: Progress> Progress for (A, B) {
    fn begin(&mut self, plan: &Plan) {
        self.0.begin(plan);
        self.1.begin(plan);
    }

    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput) {
        self.0.steps(records, throughput);
        self.1.steps(records, throughput);
    }

    fn validated(&mut self, validation: &Validation) {
        self.0.validated(validation);
        self.1.validated(validation);
    }

    fn written(&mut self, file: &Path) {
        self.0.written(file);
        self.1.written(file);
    }

    fn remark(&mut self, remark: &str) {
        self.0.remark(remark);
        self.1.remark(remark);
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.0.skipped(picture);
        self.1.skipped(picture);
    }

    fn end(&mut self) {
        self.0.end();
        self.1.end();
    }

    fn should_stop(&self) -> bool {
        self.0.should_stop() || self.1.should_stop()
    }
}

/// Throughput of a run and the time it has left, validation and writing included.
#[derive(Clone, Debug)]
pub struct Throughput {
    start: Instant,
    first_step: u64,
    /// Steps done.
    pub step: u64,
    /// Steps when the run is complete.
    pub steps: u64,
    /// Percentage of the steps' time that went by before a batch was there, since the run began or was
    /// resumed.
    pub data_wait: f32,
    batch_size: usize,
}

impl Throughput {
    pub(crate) fn new(first_step: u64, steps: u64, batch_size: usize) -> Self {
        Self { start: Instant::now(), first_step, step: first_step, steps, data_wait: 0.0, batch_size }
    }

    /// Time since the run began or was resumed.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Pictures a second since the run began or was resumed.
    pub fn images_per_second(&self) -> f64 {
        let images = (self.step - self.first_step) as f64 * self.batch_size as f64;
        images / self.elapsed().as_secs_f64().max(f64::EPSILON)
    }

    /// Time left at the throughput so far; none before the first step is done.
    pub fn left(&self) -> Option<Duration> {
        let done = self.step.checked_sub(self.first_step).filter(|done| *done > 0)?;
        let left = self.steps.saturating_sub(self.step);
        Some(self.elapsed().mul_f64(left as f64 / done as f64))
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} images/s, {:.1} % data wait", self.images_per_second(), self.data_wait)?;
        match self.left() {
            Some(left) => write!(f, ", {} left", clock(left)),
            None => Ok(()),
        }
    }
}

/// A duration as a clock shows it: `3:07`, `1:02:45`.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Progress as lines of text, for logs and pipes: one for each event.
pub struct TextProgress<W> {
    out: W,
    elapsed: Duration,
    data_wait: f32,
}

impl<W: Write + Send> TextProgress<W> {
    /// Lines on any writer.
    pub fn new(out: W) -> Self {
        Self { out, elapsed: Duration::ZERO, data_wait: 0.0 }
    }

    /// Burn's terminal display when standard output is a terminal, otherwise lines of text on `out`.
    ///
    /// The display draws curves of every loss. `q` opens a menu: `s` stops the run after its step, with a
    /// checkpoint; `k` kills it at once. Ctrl-C does nothing while it is open.
    pub fn or_tui(out: W) -> Box<dyn Progress>
    where
        W: 'static,
    {
        if stdout().is_terminal() { Box::new(TuiProgress::new()) } else { Box::new(Self::new(out)) }
    }

    /// A log that cannot be written must not end a run, so errors are ignored.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}

impl<W: Write + Send> Progress for TextProgress<W> {
    fn begin(&mut self, plan: &Plan) {
        let Plan { first_step, steps, steps_per_epoch, batch_size, parameters, data, masks, device, folder } =
            plan;
        self.line(&format!("data     {data}; {steps_per_epoch} steps of {batch_size} pictures an epoch"));
        self.line(&format!("masks    {masks}"));
        self.line(&format!("model    {parameters} parameters on {device}"));
        self.line(&format!("run      {}, steps {first_step} to {steps}", folder.display()));
    }

    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput) {
        let Some(record) = records.last() else { return };
        (self.elapsed, self.data_wait) = (throughput.elapsed(), throughput.data_wait);
        let terms: Vec<String> = record.terms().map(|(name, value)| format!("{name} {value:.4}")).collect();
        let (step, steps, terms) = (record.step, throughput.steps, terms.join("  "));
        self.line(&format!("step {step:>6}/{steps}  {terms}  {throughput}"));
    }

    fn validated(&mut self, validation: &Validation) {
        let Validation { step, pictures, network, baselines } = validation;
        let beside: Vec<String> =
            baselines.iter().map(|(name, scores)| format!("{name} {:.2} dB", scores.psnr)).collect();
        let beside = if beside.is_empty() { String::new() } else { format!("  ({})", beside.join(", ")) };
        self.line(&format!("step {step:>6}  validation on {pictures} pictures: {network}{beside}"));
    }

    fn written(&mut self, file: &Path) {
        self.line(&format!("wrote    {}", file.display()));
    }

    fn remark(&mut self, remark: &str) {
        self.line(&format!("remark   {remark}"));
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.line(&format!("skipped  {picture}"));
    }

    fn end(&mut self) {
        let (time, data_wait) = (clock(self.elapsed), self.data_wait);
        self.line(&format!("done     in {time}; {data_wait:.1} % of the steps' time was data wait"));
    }
}

/// Draws curves of every loss in the terminal. `q` opens a menu: `s` stops the run after its step, with a
/// checkpoint; `k` kills it at once. Ctrl-C does nothing while the display is open.
///
/// Remarks and pictures that cannot be used are listed on standard error when the display closes.
struct TuiProgress {
    display: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    registered: Vec<&'static str>,
    /// Lines for standard error; behind `display`, so that they are printed after it has closed.
    messages: Messages,
}

/// Name of the text that shows throughput and time left.
const THROUGHPUT: &str = "throughput";

impl TuiProgress {
    /// Takes over the terminal until the run ends.
    fn new() -> Self {
        let interrupter = Interrupter::new();
        let display = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        Self { display, interrupter, registered: Vec::new(), messages: Messages::default() }
    }

    /// Registers a metric the first time it is seen.
    fn register(&mut self, name: &'static str, attributes: MetricAttributes) -> MetricId {
        let id = MetricId::new(Arc::new(name.to_owned()));
        if !self.registered.contains(&name) {
            self.registered.push(name);
            self.display.register_metric(MetricDefinition {
                metric_id: id.clone(),
                name: Arc::new(name.to_owned()),
                description: None,
                attributes,
            });
        }
        id
    }

    /// One point of a curve.
    fn point(&mut self, name: &'static str, value: f64, higher_is_better: bool) -> MetricState {
        let id = self
            .register(name, MetricAttributes::Numeric(NumericAttributes { unit: None, higher_is_better }));
        let entry = MetricEntry::new(id, SerializedEntry::new(format!("{value:.4}"), value.to_string()));
        MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
    }
}

impl Progress for TuiProgress {
    fn begin(&mut self, plan: &Plan) {
        // The display counts items of epochs; to it, the whole run is one.
        let steps = plan.steps as usize;
        self.display.start(1, 1, Some(steps), Some(&plan.data));
        self.display.start_split("train", steps);
    }

    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput) {
        for record in records {
            for (name, value) in record.terms() {
                let point = self.point(name, f64::from(value), false);
                self.display.update_train(point);
            }
        }
        let id = self.register(THROUGHPUT, MetricAttributes::None);
        let text = throughput.to_string();
        self.display.update_train(MetricState::Generic(MetricEntry::new(
            id,
            SerializedEntry::new(text.clone(), text),
        )));
        self.display.update_split(throughput.step as usize);
    }

    fn validated(&mut self, validation: &Validation) {
        let point = self.point("PSNR dB", validation.network.psnr, true);
        self.display.update_valid(point);
    }

    fn written(&mut self, _file: &Path) {
        self.display.log_event_training("files written".to_owned());
    }

    fn remark(&mut self, remark: &str) {
        self.messages.0.push(format!("remark   {remark}"));
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.display.log_event_training("pictures skipped".to_owned());
        self.messages.0.push(format!("skipped  {picture}"));
    }

    fn end(&mut self) {
        TrainingProgressLogger::end(&mut self.display);
        // Without a summary the display closes and gives the terminal back; there is nothing to report
        // if it has closed already.
        let _ = self.display.on_train_end(None);
    }

    fn should_stop(&self) -> bool {
        self.interrupter.should_stop()
    }
}

/// What is to be read after the display has given the terminal back: printed when it is dropped.
#[derive(Default)]
struct Messages(Vec<String>);

impl Drop for Messages {
    fn drop(&mut self) {
        // Nothing more can be done where even standard error is closed.
        for message in &self.0 {
            let _ = writeln!(stderr(), "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_shown_only_when_there_are_some() {
        assert_eq!(clock(Duration::from_secs(187)), "3:07");
        assert_eq!(clock(Duration::from_secs(3765)), "1:02:45");
    }

    #[test]
    fn time_left_follows_from_the_throughput_so_far() {
        let mut throughput =
            Throughput { start: Instant::now() - Duration::from_secs(10), ..Throughput::new(100, 300, 8) };
        assert!(throughput.left().is_none());
        throughput.step = 150;
        let left = throughput.left().expect("under way").as_secs_f64();
        assert!((left - 30.0).abs() < 1.0, "{left}");
        assert!((throughput.images_per_second() - 40.0).abs() < 1.0);
    }

    #[test]
    fn step_is_one_line_with_every_loss() {
        let mut text = Vec::new();
        let record = StepRecord {
            step: 20,
            epoch: 0,
            samples: 160,
            generator: 0.5,
            reconstruction: Some(0.25),
            adversarial: None,
            discriminator: None,
            real: None,
            fake: None,
            data_wait: 0.0,
        };
        let mut throughput = Throughput::new(20, 100, 8);
        throughput.data_wait = 1.25;
        let mut progress = TextProgress::new(&mut text);
        progress.steps(&[record], &throughput);
        progress.end();
        let text = String::from_utf8(text).expect("text");
        assert!(text.starts_with("step     20/100  generator 0.5000  reconstruction 0.2500  "), "{text}");
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("1.2 % of the steps' time was data wait\n"), "{text}");
    }
}
