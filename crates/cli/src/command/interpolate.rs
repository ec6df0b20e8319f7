//! `interpolate`: the network between two.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::{
    Model,
    model::{Precision, SaveOptions, TrainingRecord, interpolate},
};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{
    console::{Console, ExitStatus},
    device::DeviceArgs,
};

/// Interpolate linearly between the weights of two networks of one architecture. Between a network trained
/// for reconstruction and the same network fine-tuned with the adversarial loss (`train --set
/// init_from=FILE`), this trades reconstruction error for sharpness.
#[derive(Args)]
pub struct Interpolate {
    /// Weights at alpha 0
    #[arg(value_name = "START")]
    start: PathBuf,
    /// Weights at alpha 1
    #[arg(value_name = "END")]
    end: PathBuf,
    /// Interpolation factor: 0 is the first network, 1 the second
    #[arg(long, alias = "share", default_value_t = 0.5)]
    alpha: f64,
    /// The interpolated weights, a safetensors file
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Data type of the stored weights: f32, f16 or bf16
    #[arg(long, default_value_t)]
    precision: Precision,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Interpolate {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(miette!("--alpha is {}; write a number from 0 to 1", self.alpha));
        }
        let device = self.device.open(console)?;
        let load = |path: &Path| Model::load(path, &device).into_diagnostic();
        let (start, end) = (load(&self.start)?, load(&self.end)?);
        if start.config() != end.config() {
            return Err(miette!(
                "{} and {} are networks of different architectures (`context-encoder info` shows them); interpolation \
                 needs two of one architecture",
                self.start.display(),
                self.end.display()
            ));
        }
        let options = SaveOptions { precision: self.precision, record: self.record()? };
        interpolate(start, &end, self.alpha).save_with(&options, &self.output).into_diagnostic()?;
        let written = self.output.display();
        console.record(&json!({ "event": "written", "file": written.to_string() }));
        console.note(format_args!("wrote {written}"));
        Ok(ExitStatus::Complete)
    }

    /// The steps of both networks, and the data of the second.
    fn record(&self) -> Result<Option<TrainingRecord>> {
        let record = |path: &Path| TrainingRecord::load(path).into_diagnostic();
        Ok(match (record(&self.start)?, record(&self.end)?) {
            (Some(start), Some(end)) => Some(TrainingRecord {
                steps: start.steps.saturating_add(end.steps),
                samples: start.samples.saturating_add(end.samples),
                ..end
            }),
            (start, end) => end.or(start),
        })
    }
}
