//! Training runs of `train` and `pretrain`: progress and summary.

use std::path::Path;

use context_encoder::{
    data::Skipped,
    train::{
        Devices, Plan, Progress, Run, StepRecord, Summary, Task, Throughput, TuiProgress,
        Validation,
    },
};
use miette::{IntoDiagnostic, Result};
use serde_json::{Value, json};

use crate::{outcome::Outcome, output::Output, scores::scores};

/// The progress of a run: the terminal's display, lines of text, lines of JSON, or nothing.
pub fn progress(output: &Output) -> Box<dyn Progress> {
    if output.is_json() {
        Box::new(JsonProgress)
    } else if output.is_quiet() {
        Box::new(())
    } else {
        TuiProgress::or_text(std::io::stderr())
    }
}

/// What the command line says about a run beside its configuration.
pub struct RunArgs<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// `KEY=VALUE`, for a run that is resumed.
    pub settings: &'a [String],
    /// Steps in all, where they were given.
    pub steps: Option<u64>,
}

/// Runs a new configuration, or without one resumes the run in the folder, and reports the summary.
pub fn run<C: Task>(
    new: Option<C>,
    args: &RunArgs<'_>,
    devices: Devices,
    output: &Output,
) -> Result<Outcome> {
    let mut run = match new {
        Some(config) => Run::start(config, args.folder, devices).into_diagnostic()?,
        None => {
            let run = Run::<C>::resume(args.folder, devices).into_diagnostic()?;
            args.settings.iter()
                .try_fold(run, |run, setting| run.with_override(setting))
                .into_diagnostic()?
        }
    };
    if let Some(steps) = args.steps {
        run = run.with_steps(steps);
    }
    let summary = run.train(&mut *progress(output)).into_diagnostic()?;
    report(&summary, output);
    Ok(Outcome::Complete)
}

fn report(summary: &Summary, output: &Output) {
    let Validation { pictures, network, baselines, .. } = &summary.validation;
    output.result(format_args!("{} steps; on {pictures} validation pictures:", summary.step));
    output.result(format_args!("  context encoder  {network}"));
    for (name, scores) in baselines {
        output.result(format_args!("  {name:<15}  {scores}"));
    }
    if let Some(samples) = summary.samples.last() {
        output.result(format_args!("look at   {}", samples.display()));
    }
    output.result(format_args!("weights   {}", summary.weights.display()));
    output.record(&json!({
        "event": "done", "step": summary.step, "weights": summary.weights.display().to_string(),
        "checkpoint": summary.checkpoint.display().to_string(), "scores": scores(network),
        "refused": summary.skipped.len(),
    }));
}

/// Progress as lines of JSON.
struct JsonProgress;

impl JsonProgress {
    /// A reader that has gone must not end a run.
    fn record(record: &Value) {
        let mut out = std::io::stdout().lock();
        let _ = std::io::Write::write_fmt(&mut out, format_args!("{record}\n"));
        let _ = std::io::Write::flush(&mut out);
    }
}

impl Progress for JsonProgress {
    fn begin(&mut self, plan: &Plan) {
        Self::record(&json!({
            "event": "begin", "first_step": plan.first_step, "steps": plan.steps, "batch_size": plan.batch_size,
            "parameters": plan.parameters, "data": plan.data, "masks": plan.masks, "device": plan.device,
            "run": plan.folder.display().to_string(),
        }));
    }

    fn steps(&mut self, records: &[StepRecord], _throughput: &Throughput) {
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

    fn remark(&mut self, remark: &str) {
        Self::record(&json!({ "event": "remark", "message": remark }));
    }

    fn skipped(&mut self, picture: &Skipped) {
        Self::record(
            &json!({ "event": "failed", "file": picture.name, "reason": picture.error.to_string() }),
        );
    }
}
