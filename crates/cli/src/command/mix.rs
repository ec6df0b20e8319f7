//! `mix`: the network between two.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::{
    Model,
    model::{Precision, SaveOptions, TrainingRecord, interpolate},
};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Mix two networks of one architecture, number by number. Between one trained by reconstruction and the same trained on with
/// the adversarial loss (`train --set begin_with=FILE`), the mixture trades closeness for sharpness.
#[derive(Args)]
pub struct Mix {
    /// Weights to begin with
    #[arg(value_name = "ONE")]
    one: PathBuf,
    /// Weights to go towards
    #[arg(value_name = "OTHER")]
    other: PathBuf,
    /// How far to go: 0 is the first network, 1 the second
    #[arg(long, default_value_t = 0.5)]
    share: f64,
    /// The mixture, a safetensors file
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// How numbers are stored: f32, f16 or bf16
    #[arg(long, default_value_t)]
    precision: Precision,
    #[command(flatten)]
    device: DeviceChoice,
}

impl Mix {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(miette!("--share is {}; write a number from 0 to 1", self.share));
        }
        let device = self.device.open()?;
        let load = |path: &Path| Model::load(path, &device).into_diagnostic();
        let (one, other) = (load(&self.one)?, load(&self.other)?);
        if one.config() != other.config() {
            return Err(miette!(
                "{} and {} are networks of different architectures (`context-encoder info` shows them); only alike ones \
                 can be mixed",
                self.one.display(),
                self.other.display()
            ));
        }
        let options = SaveOptions { precision: self.precision, record: self.record()? };
        interpolate(one, &other, self.share).save_with(&options, &self.output).into_diagnostic()?;
        let written = self.output.display();
        output.record(&json!({ "event": "written", "file": written.to_string() }));
        output.note(format_args!("wrote {written}"));
        Ok(Outcome::Complete)
    }

    /// Steps of both, and what the second was trained on.
    fn record(&self) -> Result<Option<TrainingRecord>> {
        let record = |path: &Path| TrainingRecord::load(path).into_diagnostic();
        Ok(match (record(&self.one)?, record(&self.other)?) {
            (Some(one), Some(other)) => Some(TrainingRecord {
                steps: one.steps.saturating_add(other.steps),
                samples: one.samples.saturating_add(other.samples),
                ..other
            }),
            (one, other) => other.or(one),
        })
    }
}
