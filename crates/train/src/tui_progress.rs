//! Progress on Burn's terminal display: curves of every loss, and a way to stop.

use std::{io::Write, path::Path, sync::Arc};

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

use crate::{Plan, Progress, StepRecord, TextProgress, Throughput, Validation};

/// Draws curves of every loss in the terminal. `q` opens a menu: `s` stops the run after its step, with a
/// checkpoint; `k` kills it at once. Ctrl-C does nothing while the display is open.
///
/// Remarks and pictures that cannot be used are listed on standard error when the display closes.
pub struct TuiProgress {
    display: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    registered: Vec<&'static str>,
    /// Lines for standard error.
    messages: Vec<String>,
}

/// Name of the text that shows throughput and time left.
const THROUGHPUT: &str = "throughput";

impl Default for TuiProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl TuiProgress {
    /// Takes over the terminal until the run ends.
    pub fn new() -> Self {
        let interrupter = Interrupter::new();
        let display = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        Self { display, interrupter, registered: Vec::new(), messages: Vec::new() }
    }

    /// The terminal's display when standard output is a terminal, otherwise lines of text on `out`.
    pub fn or_text(out: impl Write + Send + 'static) -> Box<dyn Progress> {
        if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            Box::new(Self::new())
        } else {
            Box::new(TextProgress::new(out))
        }
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
        self.messages.push(format!("remark   {remark}"));
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.display.log_event_training("pictures skipped".to_owned());
        self.messages.push(format!("skipped  {picture}"));
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

impl Drop for TuiProgress {
    fn drop(&mut self) {
        // Nothing more can be done where even standard error is closed.
        for message in &self.messages {
            let _ = writeln!(std::io::stderr(), "{message}");
        }
    }
}
