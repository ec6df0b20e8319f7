//! Progress on Burn's terminal display: curves of every term, and a way to stop.

use std::{path::Path, sync::Arc};

use burn::train::{
    Interrupter,
    logger::TrainingProgressLogger,
    metric::{
        MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry,
        SerializedEntry,
    },
    renderer::{MetricState, MetricsRenderer, MetricsRendererTraining, tui::TuiMetricsRendererWrapper},
};
use context_encoder_data::Refused;

use super::{Pace, Plan, Progress};
use crate::{StepRecord, Validation};

/// Draws curves of every term in the terminal; `q` stops the run after its step.
pub struct Terminal {
    display: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    known: Vec<&'static str>,
}

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
        Self { display, interrupter, known: Vec::new() }
    }

    /// One point of a curve; a curve that is new is announced first.
    fn point(&mut self, name: &'static str, value: f64, higher_is_better: bool) -> MetricState {
        let id = MetricId::new(Arc::new(name.to_owned()));
        if !self.known.contains(&name) {
            self.known.push(name);
            self.display.register_metric(MetricDefinition {
                metric_id: id.clone(),
                name: Arc::new(name.to_owned()),
                description: None,
                attributes: MetricAttributes::Numeric(NumericAttributes { unit: None, higher_is_better }),
            });
        }
        let entry = MetricEntry::new(id, SerializedEntry::new(format!("{value:.4}"), value.to_string()));
        MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
    }
}

impl Progress for Terminal {
    fn begin(&mut self, plan: &Plan) {
        let epochs = plan.steps.div_ceil(plan.steps_per_epoch) as usize;
        let first_epoch = (plan.first_step / plan.steps_per_epoch) as usize;
        self.display.start(epochs, first_epoch, Some(plan.steps as usize), Some(&plan.data));
        self.display.start_split("train", plan.steps as usize);
    }

    fn steps(&mut self, records: &[StepRecord], pace: &Pace) {
        for record in records {
            for (name, value) in record.terms() {
                let point = self.point(name, f64::from(value), false);
                self.display.update_train(point);
            }
        }
        self.display.update_split(pace.step as usize);
        self.display.log_event_training(pace.to_string());
    }

    fn validated(&mut self, validation: &Validation) {
        let point = self.point("PSNR dB", validation.network.psnr, true);
        self.display.update_valid(point);
    }

    fn written(&mut self, file: &Path) {
        self.display.log_event_training(format!("wrote {}", file.display()));
    }

    fn refused(&mut self, picture: &Refused) {
        self.display.log_event_training(format!("skipped {picture}"));
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
