//! `convert`: weights between this program's files and those of PyTorch's public ports.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use context_encoder::{
    Device, Model, ModelConfig,
    model::{BottleneckConfig, Precision, Prediction, Preset, SaveOptions, TrainingRecord},
};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Convert weights. A `.pt` or `.pth` file, or a safetensors file of a public port, becomes one of this program's files;
/// with `--to pytorch`, one of this program's files becomes a safetensors file that a port's `load_state_dict` takes.
#[derive(Args)]
pub struct Convert {
    /// Weights to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Weights to write, a safetensors file
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Whose names the written weights have
    #[arg(long, value_enum, default_value_t = Layout::ContextEncoder)]
    to: Layout,
    /// How numbers are stored: f32, f16 or bf16 (for PyTorch's names, f32)
    #[arg(long, default_value_t)]
    precision: Precision,
    /// The network that PyTorch's weights belong to, which such files do not say
    #[arg(long, default_value = "authors")]
    preset: Preset,
    /// Side of its pictures, pixels, if not the preset's
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Channels of its first layer, if not the preset's
    #[arg(long, value_name = "CHANNELS")]
    width: Option<usize>,
    /// Channels of its dense bottleneck, if not the preset's
    #[arg(long, value_name = "CHANNELS")]
    code: Option<usize>,
    /// It predicts whole pictures
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    device: DeviceChoice,
}

/// Whose names weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// This program's, with the architecture inside
    ContextEncoder,
    /// The public PyTorch ports' (main.0.weight, ...)
    Pytorch,
}

impl Convert {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        if self.output.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("safetensors")) {
            return Err(miette!(
                "{} would hold safetensors; let its name end in .safetensors",
                self.output.display()
            ));
        }
        if self.to == Layout::Pytorch && self.precision != Precision::F32 {
            return Err(miette!("files for PyTorch are written in f32; leave --precision away"));
        }
        let device = self.device.open()?;
        let model = self.read(&device)?;
        let options = SaveOptions { precision: self.precision, record: self.record()? };
        match self.to {
            Layout::ContextEncoder => model.save_with(&options, &self.output).into_diagnostic()?,
            Layout::Pytorch => model.save_pytorch(&self.output).into_diagnostic()?,
        }
        let written = self.output.display();
        output.record(&json!({ "event": "written", "file": written.to_string() }));
        output.note(format_args!("wrote {written}"));
        Ok(Outcome::Complete)
    }

    /// How the weights came about, where the file says.
    fn record(&self) -> Result<Option<TrainingRecord>> {
        if self.is_safetensors() { TrainingRecord::load(&self.input).into_diagnostic() } else { Ok(None) }
    }

    fn is_safetensors(&self) -> bool {
        self.input.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors"))
    }

    /// Files of ours say what they are; what does not is taken for PyTorch's.
    fn read(&self, device: &Device) -> Result<Model> {
        let input = &self.input;
        let ours = self.is_safetensors();
        match Model::load(input, device) {
            Ok(model) if ours => Ok(model),
            Err(error) if ours && self.to == Layout::Pytorch => Err(error).into_diagnostic(),
            _ => Model::load_pytorch(input, &self.config(), device).into_diagnostic(),
        }
    }

    fn config(&self) -> ModelConfig {
        let mut config = ModelConfig::preset(self.preset);
        config.size = self.size.unwrap_or(config.size);
        config.width = self.width.unwrap_or(config.width);
        if let Some(channels) = self.code {
            config.bottleneck = BottleneckConfig::Dense(channels);
        }
        if self.whole {
            config.prediction = Prediction::Whole;
        }
        config
    }
}
