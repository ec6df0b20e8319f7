//! A run under way and what it left behind, as `train` and `pretrain` tell it.

use std::path::Path;

use context_encoder::{
    data::Skipped,
    train::{
        Devices, Lines, Progress, Recipe, StepRecord, Summary, Terminal, Training, Validation,
        progress::{Pace, Plan},
    },
};
use miette::{IntoDiagnostic, Result};
use serde_json::{Value, json};

use crate::{outcome::Outcome, output::Output, scores::scores};

/// Who watches a run: the terminal's display, lines of text, lines of JSON, or nobody.
pub fn onlooker(output: &Output) -> Box<dyn Progress> {
    if output.is_json() {
        Box::new(Records)
    } else if output.is_quiet() {
        Box::new(())
    } else if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        Box::new(Terminal::new())
    } else {
        Box::new(Lines::new(std::io::stderr()))
    }
}

/// A run as the command line asks for it.
pub struct Order<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// `KEY=VALUE`, for a run that goes on.
    pub settings: &'a [String],
    /// Steps in all, where they were given.
    pub steps: Option<u64>,
}

/// Carries a run out: a new one of a configuration, or without one that in the folder, and says what it left behind.
pub fn carry_out<C: Recipe>(
    new: Option<C>,
    order: &Order<'_>,
    devices: Devices,
    output: &Output,
) -> Result<Outcome> {
    let mut run = match new {
        Some(config) => Training::start(config, order.folder, devices).into_diagnostic()?,
        None => {
            let run = Training::<C>::resume(order.folder, devices).into_diagnostic()?;
            order
                .settings
                .iter()
                .try_fold(run, |run, setting| run.with_override(setting))
                .into_diagnostic()?
        }
    };
    if let Some(steps) = order.steps {
        run = run.with_steps(steps);
    }
    let summary = run.train(&mut *onlooker(output)).into_diagnostic()?;
    report(&summary, output);
    Ok(Outcome::Complete)
}

/// What a run left behind.
fn report(summary: &Summary, output: &Output) {
    let Validation { pictures, network, baselines, .. } = &summary.validation;
    output.result(format_args!("{} steps; on {pictures} validation pictures:", summary.step));
    output.result(format_args!("  context encoder  {network}"));
    for entry in baselines {
        output.result(format_args!("  {:<15}  {}", entry.name, entry.scores));
    }
    if let Some(sheet) = summary.sheets.last() {
        output.result(format_args!("look at   {}", sheet.display()));
    }
    output.result(format_args!("weights   {}", summary.weights.display()));
    output.record(&json!({
        "event": "done", "step": summary.step, "weights": summary.weights.display().to_string(),
        "checkpoint": summary.checkpoint.display().to_string(), "scores": scores(network),
        "refused": summary.skipped.len(),
    }));
}

/// A run as lines of JSON.
struct Records;

impl Records {
    /// A reader that has gone must not end a run.
    fn record(record: &Value) {
        let mut out = std::io::stdout().lock();
        let _ = std::io::Write::write_fmt(&mut out, format_args!("{record}\n"));
        let _ = std::io::Write::flush(&mut out);
    }
}

impl Progress for Records {
    fn begin(&mut self, plan: &Plan) {
        Self::record(&json!({
            "event": "begin", "first_step": plan.first_step, "steps": plan.steps, "batch_size": plan.batch_size,
            "parameters": plan.parameters, "data": plan.data, "masks": plan.masks, "device": plan.device,
            "run": plan.folder.display().to_string(),
        }));
    }

    fn steps(&mut self, records: &[StepRecord], _pace: &Pace) {
        for record in records {
            let mut line = json!({ "event": "step", "step": record.step, "epoch": record.epoch, "samples": record.samples });
            for (name, value) in record.terms() {
                line[name] = json!(value);
            }
            Self::record(&line);
        }
    }

    fn validated(&mut self, validation: &Validation) {
        Self::record(
            &json!({ "event": "validated", "step": validation.step, "scores": scores(&validation.network) }),
        );
    }

    fn written(&mut self, file: &Path) {
        Self::record(&json!({ "event": "written", "file": file.display().to_string() }));
    }

    fn skipped(&mut self, picture: &Skipped) {
        Self::record(
            &json!({ "event": "failed", "file": picture.name, "reason": picture.error.to_string() }),
        );
    }
}
