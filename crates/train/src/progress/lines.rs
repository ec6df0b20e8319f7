//! Progress as lines of text, for logs and pipes.

use std::{io::Write, path::Path};

use context_encoder_data::Skipped;

use super::{Pace, Plan, Progress, pace::clock};
use crate::{StepRecord, Validation};

/// Writes a line for each thing that happens.
pub struct Lines<W> {
    out: W,
    elapsed: std::time::Duration,
    waiting: f32,
}

impl<W: Write + Send> Lines<W> {
    /// Lines on any writer.
    pub fn new(out: W) -> Self {
        Self { out, elapsed: std::time::Duration::ZERO, waiting: 0.0 }
    }

    /// A log that cannot be written must not end a run, so errors are passed over.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn begin(&mut self, plan: &Plan) {
        let Plan { first_step, steps, steps_per_epoch, batch_size, parameters, data, masks, device, folder } =
            plan;
        self.line(&format!("data     {data}; {steps_per_epoch} steps of {batch_size} pictures an epoch"));
        self.line(&format!("masks    {masks}"));
        self.line(&format!("model    {parameters} parameters on {device}"));
        self.line(&format!("run      {}, steps {first_step} to {steps}", folder.display()));
    }

    fn steps(&mut self, records: &[StepRecord], pace: &Pace) {
        let Some(record) = records.last() else { return };
        (self.elapsed, self.waiting) = (pace.elapsed(), pace.waiting);
        let terms: Vec<String> = record.terms().map(|(name, value)| format!("{name} {value:.4}")).collect();
        self.line(&format!("step {:>6}/{}  {}  {pace}", record.step, pace.steps, terms.join("  ")));
    }

    fn validated(&mut self, validation: &Validation) {
        let Validation { step, pictures, network, baselines } = validation;
        let beside: Vec<String> =
            baselines.iter().map(|e| format!("{} {:.2} dB", e.name, e.scores.psnr)).collect();
        let beside = if beside.is_empty() { String::new() } else { format!("  ({})", beside.join(", ")) };
        self.line(&format!("step {step:>6}  validation on {pictures} pictures: {network}{beside}"));
    }

    fn written(&mut self, file: &Path) {
        self.line(&format!("wrote    {}", file.display()));
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.line(&format!("skipped  {picture}"));
    }

    fn end(&mut self) {
        let (time, waiting) = (clock(self.elapsed), self.waiting);
        self.line(&format!("done     in {time}; {waiting:.1} % of the steps' time was waiting for pictures"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_line_with_every_term() {
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
            waiting: 0.0,
        };
        let mut pace = Pace::new(20, 100, 8);
        pace.waiting = 1.25;
        let mut lines = Lines::new(&mut text);
        lines.steps(&[record], &pace);
        lines.end();
        let text = String::from_utf8(text).expect("text");
        assert!(text.starts_with("step     20/100  generator 0.5000  reconstruction 0.2500  "), "{text}");
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("1.2 % of the steps' time was waiting for pictures\n"), "{text}");
    }
}
