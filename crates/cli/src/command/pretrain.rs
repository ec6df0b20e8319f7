//! `pretrain`: a run that learns features, new or continued.

use std::path::PathBuf;

use clap::Args;
use context_encoder::train::{Pretext, PretrainConfig};
use miette::{IntoDiagnostic, Result};

use crate::{
    device::DevicesChoice,
    mask_choice::Kind,
    outcome::Outcome,
    output::Output,
    training::{RunArgs, run},
};

/// Train an AlexNet-style network for its features, by inpainting or as an autoencoder; without arguments, a narrow one
/// on built-in facades, in about a minute on a processor.
#[derive(Args)]
pub struct Pretrain {
    /// Folder of pictures, with subfolders, or of tar files in WebDataset's form; without it, facades are drawn by the program
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Shorter side of the folder's pictures before a square is cropped, pixels; 256 unless --config says otherwise
    #[arg(long, requires = "data", value_name = "PIXELS")]
    resize: Option<u32>,
    /// Stop at the first picture that cannot be read
    #[arg(long, requires = "data")]
    strict: bool,
    /// What the network does: `context` (inpainting, the default), or to compare with it `autoencoder` (nothing is
    /// hidden) or `denoising` (a quarter of the pixels is)
    #[arg(long)]
    pretext: Option<Pretext>,
    /// What is hidden, for `context`: arbitrary shapes unless --config says otherwise
    #[arg(long, value_enum)]
    masks: Option<Kind>,
    /// Folder of shapes for random regions, white on black or class masks; a noise pattern without it
    #[arg(long, value_name = "DIR")]
    silhouettes: Option<PathBuf>,
    /// Start from the paper's settings: AlexNet at 227 pixels, 100 000 steps
    #[arg(long, conflicts_with = "config")]
    paper: bool,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One more setting, such as `model.size=99`; may be repeated. With --resume: lr, precision, steps,
    /// intervals, workers, data.cache_mib
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps in all; 0 for random weights, the last of the paper's baselines
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    #[command(flatten)]
    devices: DevicesChoice,
    /// The run's folder
    #[arg(long, default_value = "runs/features", value_name = "DIR")]
    run: PathBuf,
    /// Continue the run in that folder
    #[arg(long, conflicts_with_all = ["data", "pretext", "masks", "silhouettes", "paper", "config", "smoke"])]
    resume: bool,
    /// A few steps of a tiny network, to see that everything works
    #[arg(long)]
    smoke: bool,
}

impl Pretrain {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let devices = self.devices.open()?;
        let settings = self.devices.settings(&self.settings);
        let new = if self.resume { None } else { Some(self.configuration(&settings)?) };
        let args = RunArgs { folder: &self.run, settings: &settings, steps: self.steps };
        run(new, &args, devices, output)
    }

    /// Settings from the file, then from arguments.
    fn configuration(&self, settings: &[String]) -> Result<PretrainConfig> {
        let mut config = match &self.config {
            Some(file) => PretrainConfig::load(file).into_diagnostic()?,
            None if self.paper => PretrainConfig::default(),
            None => PretrainConfig::first_run(),
        };
        if let Some(path) = &self.data {
            config = config.with_folder(path, self.resize, self.strict).into_diagnostic()?;
        }
        if let Some(pretext) = self.pretext {
            config.pretext = pretext;
        }
        if self.masks.is_some() || self.silhouettes.is_some() {
            config.masks = self.masks.unwrap_or(Kind::RandomRegion).with(0, self.silhouettes.clone());
        }
        if self.smoke {
            config = config.smoke();
        }
        settings.iter().try_fold(config, |config, setting| config.with_override(setting)).into_diagnostic()
    }
}
