//! `convert`: weights between this program's format and others.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use context_encoder::{
    Device, Model, ModelConfig,
    model::{
        BottleneckConfig, FeatureEncoder, OnnxInput, Precision, Prediction, Preset, SaveOptions,
        TrainingRecord,
    },
};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{
    console::{Console, ExitStatus},
    device::DeviceArgs,
};

/// Convert weights. A `.pt` or `.pth` file, a safetensors file of a public PyTorch port, a `.t7` file of the
/// authors' code or an AlexNet in a `.caffemodel` becomes a file of this program; with `--to pytorch`, a file
/// of this program becomes a safetensors file for a port's `load_state_dict`, and with `--to onnx` a network
/// for other runtimes.
#[derive(Args)]
pub struct Convert {
    /// Weights to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Weights to write: a safetensors file, or with `--to onnx` an ONNX file
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Format of the written weights
    #[arg(long, value_enum, default_value_t = Format::ContextEncoder)]
    to: Format,
    /// With `--to onnx`: the network takes a picture that is filled already, not picture and mask
    #[arg(long)]
    filled_input: bool,
    /// Data type of the written weights: f32, f16 or bf16 (with `--to pytorch` and `--to onnx` f32)
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
    /// Of a `.caffemodel`: what was subtracted from its pictures, red, green, blue, 0 to 255 [default:
    /// 123,117,104]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    mean: Option<Vec<f32>>,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// This program's, which includes the architecture
    ContextEncoder,
    /// That of public PyTorch ports (main.0.weight, ...)
    Pytorch,
    /// ONNX, operators of version 17
    Onnx,
}

/// What a file of weights holds.
enum Network {
    Inpainting(Box<Model>),
    Features(Box<FeatureEncoder>),
}

impl Convert {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let (ending, kind) = if self.to == Format::Onnx {
            ("onnx", "an ONNX network")
        } else {
            ("safetensors", "safetensors")
        };
        if !has_ending(&self.output, ending) {
            return Err(miette!(
                "{} would hold {kind}; let its name end in .{ending}",
                self.output.display()
            ));
        }
        if self.to != Format::ContextEncoder && self.precision != Precision::F32 {
            return Err(miette!("files for other programs are written in f32; leave --precision away"));
        }
        if self.to != Format::Onnx && self.filled_input {
            return Err(miette!(
                "--filled-input says what an ONNX network takes; add --to onnx, or leave it away"
            ));
        }
        let device = self.device.open(console)?;
        match self.read(&device, console)? {
            Network::Inpainting(model) => self.write_model(&model)?,
            Network::Features(encoder) => self.write_encoder(&encoder, console)?,
        }
        let written = self.output.display();
        console.record(&json!({ "event": "written", "file": written.to_string() }));
        console.note(format_args!("wrote {written}"));
        Ok(ExitStatus::Complete)
    }

    fn write_model(&self, model: &Model) -> Result<()> {
        let written = match self.to {
            Format::ContextEncoder => model.save_with(&self.options()?, &self.output),
            Format::Pytorch => model.save_pytorch(&self.output),
            Format::Onnx if self.filled_input => model.save_onnx(OnnxInput::Filled, &self.output),
            Format::Onnx => model.save_onnx(OnnxInput::ImageAndMask, &self.output),
        };
        written.into_diagnostic()
    }

    fn write_encoder(&self, encoder: &FeatureEncoder, console: &Console) -> Result<()> {
        if self.is_safetensors() {
            let input = self.input.display();
            console.note(format_args!("{input}: a feature network; its encoder alone is written"));
        }
        match self.to {
            Format::ContextEncoder => encoder.save_with(&self.options()?, &self.output).into_diagnostic(),
            Format::Onnx if !self.filled_input => encoder.save_onnx(&self.output).into_diagnostic(),
            Format::Onnx => {
                Err(miette!("a feature encoder takes pictures and nothing else; leave --filled-input away"))
            }
            Format::Pytorch => Err(miette!(
                "{} holds a feature network, for which there are no public ports; its file has PyTorch's names already",
                self.input.display()
            )),
        }
    }

    fn options(&self) -> Result<SaveOptions> {
        Ok(SaveOptions { precision: self.precision, record: self.record()? })
    }

    /// The training record of a file that has one.
    fn record(&self) -> Result<Option<TrainingRecord>> {
        if self.is_safetensors() { TrainingRecord::load(&self.input).into_diagnostic() } else { Ok(None) }
    }

    fn is_safetensors(&self) -> bool {
        has_ending(&self.input, "safetensors")
    }

    /// This program's files include their architecture, and so do Torch 7's and Caffe's, which their endings
    /// tell; any other file is read as PyTorch's.
    fn read(&self, device: &Device, console: &Console) -> Result<Network> {
        let input = &self.input;
        let is_caffe = has_ending(input, "caffemodel");
        if self.mean.is_some() && !is_caffe {
            return Err(miette!("--mean belongs to pictures of a .caffemodel; leave it away"));
        }
        if has_ending(input, "t7") {
            return Ok(Network::Inpainting(Box::new(Model::load_torch7(input, device).into_diagnostic()?)));
        }
        if is_caffe {
            let (encoder, left_out) =
                FeatureEncoder::load_caffe(input, self.mean()?, device).into_diagnostic()?;
            if !left_out.is_empty() {
                console.note(format_args!("{}: left out {}", input.display(), left_out.join(", ")));
            }
            return Ok(Network::Features(Box::new(encoder)));
        }
        let is_safetensors = self.is_safetensors();
        match Model::load(input, device) {
            Ok(model) if is_safetensors => return Ok(Network::Inpainting(Box::new(model))),
            Err(error) if is_safetensors => {
                if let Ok(encoder) = FeatureEncoder::load(input, device) {
                    return Ok(Network::Features(Box::new(encoder)));
                }
                if self.to == Format::Pytorch {
                    return Err(error).into_diagnostic();
                }
            }
            _ => {}
        }
        let model = Model::load_pytorch(input, &self.config(), device).into_diagnostic()?;
        let left_out = Model::pytorch_parts_left_out(input).into_diagnostic()?;
        if !left_out.is_empty() {
            console.note(format_args!("{}: left out {}", input.display(), left_out.join(", ")));
        }
        Ok(Network::Inpainting(Box::new(model)))
    }

    fn mean(&self) -> Result<Option<[f32; 3]>> {
        let Some(mean) = &self.mean else { return Ok(None) };
        match <[f32; 3]>::try_from(&mean[..]) {
            Ok(mean) if mean.iter().all(|value| (0.0..=255.0).contains(value)) => Ok(Some(mean)),
            _ => Err(miette!("--mean takes three numbers from 0 to 255, as 123,117,104")),
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

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|other| other.eq_ignore_ascii_case(ending))
}
