//! `train`: a run in a folder, new or continued.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::{
    data::Refused,
    model::Preset,
    train::{
        Lines, Progress, Run, StepRecord, Summary, Terminal, TrainConfig, Validation,
        progress::{Pace, Plan},
    },
};
use miette::{IntoDiagnostic, Result};
use serde_json::{Value, json};

use crate::{device::DeviceChoice, outcome::Outcome, output::Output, scores::scores};

/// Train a network; without arguments, a compact one on built-in facades, in a few minutes on a processor.
#[derive(Args)]
pub struct Train {
    /// Folder of pictures, with subfolders; without it, facades are drawn by the program
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Shorter side of the folder's pictures before a square is cropped, pixels
    #[arg(long, requires = "data", value_name = "PIXELS")]
    resize: Option<u32>,
    /// Folder of pictures to test on: what is in it too, byte for byte, is not learned from
    #[arg(long, requires = "data", value_name = "DIR")]
    without: Option<PathBuf>,
    /// Stop at the first picture that cannot be read
    #[arg(long, requires = "data")]
    strict: bool,
    /// Start from the settings of `paper`, `authors` or `recommended`
    #[arg(long, conflicts_with = "config")]
    preset: Option<Preset>,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One more setting, such as `model.width=32`; may be repeated. With --resume: rates, steps, intervals, workers,
    /// data.cache_mib
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps in all
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    #[command(flatten)]
    device: DeviceChoice,
    /// The run's folder
    #[arg(long, default_value = "runs/paris", value_name = "DIR")]
    run: PathBuf,
    /// Continue the run in that folder
    #[arg(long, conflicts_with_all = ["data", "preset", "config", "smoke"])]
    resume: bool,
    /// A few steps of a tiny network, to see that everything works
    #[arg(long)]
    smoke: bool,
}

impl Train {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let mut run = if self.resume {
            let run = Run::resume(&self.run, &device).into_diagnostic()?;
            self.settings.iter().try_fold(run, |run, setting| run.with_override(setting)).into_diagnostic()?
        } else {
            Run::start(self.configuration()?, &self.run, &device).into_diagnostic()?
        };
        if let Some(steps) = self.steps {
            run = run.with_steps(steps);
        }
        let mut progress: Box<dyn Progress> = if output.is_json() {
            Box::new(Records)
        } else if output.is_quiet() {
            Box::new(())
        } else if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            Box::new(Terminal::new())
        } else {
            Box::new(Lines::new(std::io::stderr()))
        };
        let summary = run.train(&mut *progress).into_diagnostic()?;
        report(&summary, output);
        Ok(Outcome::Complete)
    }

    /// Settings from preset or file, then from arguments.
    fn configuration(&self) -> Result<TrainConfig> {
        let mut config = match (&self.config, self.preset) {
            (Some(file), _) => TrainConfig::load(file).into_diagnostic()?,
            (None, Some(preset)) => TrainConfig::preset(preset),
            (None, None) => TrainConfig::first_run(),
        };
        if let Some(path) = &self.data {
            config.data =
                config.data.in_folder(path, self.resize, self.strict).without(self.without.as_deref());
        }
        if self.smoke {
            config = config.smoke();
        }
        self.settings
            .iter()
            .try_fold(config, |config, setting| config.with_override(setting))
            .into_diagnostic()
    }
}

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
        "refused": summary.refused.len(),
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

    fn refused(&mut self, picture: &Refused) {
        Self::record(
            &json!({ "event": "failed", "file": picture.name, "reason": picture.error.to_string() }),
        );
    }
}
