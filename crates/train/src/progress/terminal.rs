//! Progress on Burn's terminal display: curves of every term, and a way to stop.

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

use super::{Pace, Plan, Progress};
use crate::{StepRecord, Validation};

/// Draws curves of every term in the terminal. `q` opens a menu: `s` stops the run after its step, with a checkpoint;
/// `k` kills it at once. Ctrl-C does nothing while the display is open.
///
/// Pictures that cannot be used are listed on standard error when the display closes.
pub struct Terminal {
    display: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    known: Vec<&'static str>,
    skipped: Vec<String>,
}

/// Name of the text that shows speed and time left.
const PACE: &str = "pace";

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// Takes over the terminal until the run ends.
    pub fn new() -> Self {
        let interrupter = Interrupter::new();
        let display = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        Self { display, interrupter, known: Vec::new(), skipped: Vec::new() }
    }

    /// Announces a metric the first time it is seen.
    fn announce(&mut self, name: &'static str, attributes: MetricAttributes) -> MetricId {
        let id = MetricId::new(Arc::new(name.to_owned()));
        if !self.known.contains(&name) {
            self.known.push(name);
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
            .announce(name, MetricAttributes::Numeric(NumericAttributes { unit: None, higher_is_better }));
        let entry = MetricEntry::new(id, SerializedEntry::new(format!("{value:.4}"), value.to_string()));
        MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
    }
}

impl Progress for Terminal {
    fn begin(&mut self, plan: &Plan) {
        // The display counts items of epochs; to it, the whole run is one.
        let steps = plan.steps as usize;
        self.display.start(1, 1, Some(steps), Some(&plan.data));
        self.display.start_split("train", steps);
    }

    fn steps(&mut self, records: &[StepRecord], pace: &Pace) {
        for record in records {
            for (name, value) in record.terms() {
                let point = self.point(name, f64::from(value), false);
                self.display.update_train(point);
            }
        }
        let id = self.announce(PACE, MetricAttributes::None);
        let text = pace.to_string();
        self.display.update_train(MetricState::Generic(MetricEntry::new(
            id,
            SerializedEntry::new(text.clone(), text),
        )));
        self.display.update_split(pace.step as usize);
    }

    fn validated(&mut self, validation: &Validation) {
        let point = self.point("PSNR dB", validation.network.psnr, true);
        self.display.update_valid(point);
    }

    fn written(&mut self, _file: &Path) {
        self.display.log_event_training("files written".to_owned());
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.display.log_event_training("pictures skipped".to_owned());
        self.skipped.push(picture.to_string());
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

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing more can be done where even standard error is closed.
        for picture in &self.skipped {
            let _ = writeln!(std::io::stderr(), "skipped  {picture}");
        }
    }
}
