//! `convert`: weights between this program's format and that of public PyTorch ports.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use context_encoder::{
    Device, Model, ModelConfig,
    model::{BottleneckConfig, Precision, Prediction, Preset, SaveOptions, TrainingRecord},
};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{
    console::{Console, ExitStatus},
    device::DeviceArgs,
};

/// Convert weights. A `.pt` or `.pth` file, or a safetensors file of a public PyTorch port, becomes a file of
/// this program; with `--to pytorch`, a file of this program becomes a safetensors file for a port's
/// `load_state_dict`.
#[derive(Args)]
pub struct Convert {
    /// Weights to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Weights to write, a safetensors file
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Format of the written weights
    #[arg(long, value_enum, default_value_t = Format::ContextEncoder)]
    to: Format,
    /// Data type of the written weights: f32, f16 or bf16 (with `--to pytorch` f32)
    #[arg(long, default_value_t)]
    precision: Precision,
    /// Architecture of PyTorch weights, which their files do not say
    #[arg(long, default_value = "authors")]
    preset: Preset,
    /// Side of its pictures, pixels, unless it is the preset's
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Channels of its first layer, unless they are the preset's
    #[arg(long, value_name = "CHANNELS")]
    width: Option<usize>,
    /// Channels of its dense bottleneck, unless they are the preset's
    #[arg(long, alias = "code", value_name = "CHANNELS")]
    bottleneck: Option<usize>,
    /// It predicts whole pictures, not the central square
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// This program's, which includes the architecture
    ContextEncoder,
    /// That of public PyTorch ports (main.0.weight, ...)
    Pytorch,
}

impl Convert {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        if self.output.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("safetensors")) {
            return Err(miette!(
                "{} would hold safetensors; let its name end in .safetensors",
                self.output.display()
            ));
        }
        if self.to == Format::Pytorch && self.precision != Precision::F32 {
            return Err(miette!("files for PyTorch are written in f32; leave --precision away"));
        }
        let device = self.device.open(console)?;
        let model = self.read(&device, console)?;
        let options = SaveOptions { precision: self.precision, record: self.record()? };
        match self.to {
            Format::ContextEncoder => model.save_with(&options, &self.output).into_diagnostic()?,
            Format::Pytorch => model.save_pytorch(&self.output).into_diagnostic()?,
        }
        let written = self.output.display();
        console.record(&json!({ "event": "written", "file": written.to_string() }));
        console.note(format_args!("wrote {written}"));
        Ok(ExitStatus::Complete)
    }

    /// The training record of a file that has one.
    fn record(&self) -> Result<Option<TrainingRecord>> {
        if self.is_safetensors() { TrainingRecord::load(&self.input).into_diagnostic() } else { Ok(None) }
    }

    fn is_safetensors(&self) -> bool {
        self.input.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors"))
    }

    /// This program's files include their architecture; any other file is read as PyTorch's.
    fn read(&self, device: &Device, console: &Console) -> Result<Model> {
        let input = &self.input;
        let is_safetensors = self.is_safetensors();
        match Model::load(input, device) {
            Ok(model) if is_safetensors => Ok(model),
            Err(error) if is_safetensors && self.to == Format::Pytorch => Err(error).into_diagnostic(),
            _ => {
                let model = Model::load_pytorch(input, &self.config(), device).into_diagnostic()?;
                let left_out = Model::pytorch_parts_left_out(input).into_diagnostic()?;
                if !left_out.is_empty() {
                    console.note(format_args!("{}: left out {}", input.display(), left_out.join(", ")));
                }
                Ok(model)
            }
        }
    }

    fn config(&self) -> ModelConfig {
        let mut config = ModelConfig::preset(self.preset);
        config.size = self.size.unwrap_or(config.size);
        config.width = self.width.unwrap_or(config.width);
        if let Some(channels) = self.bottleneck {
            config.bottleneck = BottleneckConfig::Dense(channels);
        }
        if self.whole {
            config.prediction = Prediction::Whole;
        }
        config
    }
}
