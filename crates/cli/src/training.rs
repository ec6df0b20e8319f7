//! Training runs of `train` and `pretrain`: progress and summary.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use context_encoder::{
    data::Skipped,
    train::{
        Plan, Progress, Run, StepRecord, Summary, Task, TensorBoard, TextProgress, Throughput, Validation,
    },
};
use miette::{IntoDiagnostic, Result};
use serde_json::json;

use crate::{
    console::{Console, ExitStatus, scores_json, write_record},
    device::DevicesArgs,
    interrupt::StopOnSignals,
    machine::Machine,
};

/// The progress of a run: the terminal's display, lines of text, lines of JSON, or nothing. Signals stop it.
pub fn progress(console: &Console) -> Box<dyn Progress> {
    let progress = if console.is_json() {
        Box::new(JsonProgress)
    } else if console.is_quiet() {
        Box::new(())
    } else {
        TextProgress::or_tui(io::stderr())
    };
    Box::new((progress, StopOnSignals::new()))
}

/// The arguments that `train` and `pretrain` share.
#[derive(Args)]
pub struct RunArgs {
    /// Folder of pictures, with subfolders, or of tar files in WebDataset's format; built-in facades without
    /// it. With --resume: where the run's pictures lie now, if they have moved
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Shorter side of the folder's pictures before a square is cropped, pixels; unless --config says
    /// otherwise 350 for `train` and 256 for `pretrain`
    #[arg(long, requires = "data", value_name = "PIXELS")]
    pub resize: Option<u32>,
    /// Stop at the first picture that cannot be read
    #[arg(long, requires = "data")]
    pub strict: bool,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One more setting, such as `model.size=64`; may be repeated. With --resume: learning rates, precision,
    /// steps, intervals, workers, data.cache_mib
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps in all; 0 for random weights
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    #[command(flatten)]
    devices: DevicesArgs,
    /// Write event files for TensorBoard too, in the folder `tensorboard` of the run
    #[arg(long)]
    tensorboard: bool,
    /// A few steps of a tiny network, to test that everything works
    #[arg(long)]
    pub smoke: bool,
}

impl RunArgs {
    /// The settings of `--set`, and that of `--precision`.
    pub fn settings(&self) -> Vec<String> {
        let precision = self.devices.precision.map(|precision| format!("precision={precision}"));
        self.settings.iter().cloned().chain(precision).collect()
    }

    /// Runs a new configuration, or without one resumes the run in the folder, and reports the summary.
    /// `excluded` is where the folder of test pictures has moved.
    pub fn run<C: Task>(
        &self,
        new: Option<C>,
        excluded: Option<&Path>,
        folder: &Path,
        console: &Console,
    ) -> Result<ExitStatus> {
        let devices = self.devices.open(console)?;
        let mut run = match new {
            Some(config) => Run::start(config, folder, devices).into_diagnostic()?,
            None => {
                let mut run = Run::<C>::resume(folder, devices).into_diagnostic()?;
                if let Some(data) = &self.data {
                    run = run.with_moved_data(data, excluded).into_diagnostic()?;
                }
                let mut settings = self.settings().into_iter();
                settings.try_fold(run, |run, setting| run.with_override(&setting)).into_diagnostic()?
            }
        };
        if let Some(steps) = self.steps {
            run = run.with_steps(steps);
        }
        let steps = run.config().run().steps;
        let mut records = Records {
            tensorboard: self.tensorboard.then(|| TensorBoard::new(folder.join("tensorboard"))),
            machine_error: None,
        };
        let summary = run.train(&mut (progress(console), &mut records)).into_diagnostic()?;
        records.note_failures(console);
        report(&summary, console);
        if summary.step < steps {
            console.note(format_args!(
                "stopped at step {} of {steps}, with a checkpoint; --resume goes on from there",
                summary.step
            ));
            return Ok(ExitStatus::Partial);
        }
        Ok(ExitStatus::Complete)
    }
}

/// What the program keeps of a run beside the library's files.
struct Records {
    tensorboard: Option<TensorBoard>,
    /// Why `machine.jsonl` was not written.
    machine_error: Option<io::Error>,
}

impl Records {
    fn note_failures(&self, console: &Console) {
        if let Some(error) = self.tensorboard.as_ref().and_then(TensorBoard::error) {
            console.note(format_args!("the event files for TensorBoard are incomplete: {error}"));
        }
        if let Some(error) = &self.machine_error {
            console.note(format_args!("machine.jsonl was not written: {error}"));
        }
    }
}

impl Progress for &mut Records {
    fn begin(&mut self, plan: &Plan) {
        self.machine_error = Machine::of(plan).append(&plan.folder).err();
        if let Some(board) = &mut self.tensorboard {
            board.begin(plan);
        }
    }

    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput) {
        if let Some(board) = &mut self.tensorboard {
            board.steps(records, throughput);
        }
    }

    fn validated(&mut self, validation: &Validation) {
        if let Some(board) = &mut self.tensorboard {
            board.validated(validation);
        }
    }

    fn written(&mut self, file: &Path) {
        if let Some(board) = &mut self.tensorboard {
            board.written(file);
        }
    }
}

fn report(summary: &Summary, console: &Console) {
    let Validation { pictures, network, baselines, .. } = &summary.validation;
    console.result(format_args!("{} steps; on {pictures} validation pictures:", summary.step));
    console.result(format_args!("  context encoder  {network}"));
    for (name, scores) in baselines {
        console.result(format_args!("  {name:<15}  {scores}"));
    }
    if let Some(samples) = summary.samples.last() {
        console.result(format_args!("look at   {}", samples.display()));
    }
    console.result(format_args!("weights   {}", summary.weights.display()));
    console.record(&json!({
        "event": "done", "step": summary.step, "weights": summary.weights.display().to_string(),
        "checkpoint": summary.checkpoint.display().to_string(), "scores": scores_json(network),
        "refused": summary.skipped.len(),
    }));
}

/// Progress as lines of JSON.
struct JsonProgress;

impl Progress for JsonProgress {
    fn begin(&mut self, plan: &Plan) {
        write_record(&json!({
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
            write_record(&line);
        }
    }

    fn validated(&mut self, validation: &Validation) {
        write_record(
            &json!({ "event": "validated", "step": validation.step, "scores": scores_json(&validation.network) }),
        );
    }

    fn written(&mut self, file: &Path) {
        write_record(&json!({ "event": "written", "file": file.display().to_string() }));
    }

    fn remark(&mut self, remark: &str) {
        write_record(&json!({ "event": "remark", "message": remark }));
    }

    fn skipped(&mut self, picture: &Skipped) {
        write_record(
            &json!({ "event": "failed", "file": picture.name, "reason": picture.error.to_string() }),
        );
    }
}
