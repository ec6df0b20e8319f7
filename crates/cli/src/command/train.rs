//! `train` and `pretrain`: training runs in a folder, new or continued.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{
    model::Preset,
    train::{Pretext, PretrainConfig, TrainConfig},
};
use miette::{IntoDiagnostic, Result};

use super::masks::MaskKindName;
use crate::{
    console::{Console, ExitStatus},
    training::RunArgs,
};

/// Train a network; without arguments, `recommended` at width 32 on built-in facades, in a few minutes on a
/// processor.
#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    args: RunArgs,
    /// Folder of test pictures: what is in it too, byte for byte, is not trained on
    #[arg(long, alias = "without", requires = "data", value_name = "DIR")]
    exclude: Option<PathBuf>,
    /// Start from the settings of `paper`, `authors`, `recommended` or `photo`
    #[arg(long, conflicts_with = "config")]
    preset: Option<Preset>,
    /// The run's folder
    #[arg(long, default_value = "runs/paris", value_name = "DIR")]
    run: PathBuf,
    /// Continue the run in that folder
    #[arg(long, conflicts_with_all = ["resize", "strict", "preset", "config", "smoke"])]
    resume: bool,
}

impl Train {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let new = if self.resume { None } else { Some(self.configuration()?) };
        self.args.run(new, self.exclude.as_deref(), &self.run, console)
    }

    /// Settings from preset or file, then from arguments.
    fn configuration(&self) -> Result<TrainConfig> {
        let RunArgs { data, resize, strict, config, smoke, .. } = &self.args;
        let mut config = match (config, self.preset) {
            (Some(file), _) => TrainConfig::load(file).into_diagnostic()?,
            (None, Some(preset)) => TrainConfig::preset(preset),
            (None, None) => TrainConfig::first_run(),
        };
        if let Some(path) = data {
            let data = config.run.data.in_folder(path, *resize, *strict);
            let data = data.and_then(|data| data.excluding(self.exclude.as_deref()));
            config.run.data = data.into_diagnostic()?;
        }
        let config = if *smoke { config.smoke() } else { config };
        let mut settings = self.args.settings().into_iter();
        settings.try_fold(config, |config, setting| config.with_override(&setting)).into_diagnostic()
    }
}

/// Train an AlexNet-style feature network by inpainting or as an autoencoder; without arguments, a narrow one
/// on built-in facades, in about a minute on a processor.
#[derive(Args)]
pub struct Pretrain {
    #[command(flatten)]
    args: RunArgs,
    /// Pretext task: `context` (inpainting, the default) or, for comparison, `autoencoder` (nothing is
    /// hidden) or `denoising` (a quarter of the pixels is)
    #[arg(long)]
    pretext: Option<Pretext>,
    /// What is hidden, for `context`: arbitrary shapes unless --config says otherwise
    #[arg(long, value_enum)]
    masks: Option<MaskKindName>,
    /// Folder of shapes for random regions, white on black or class masks; a noise pattern without it
    #[arg(long, value_name = "DIR")]
    silhouettes: Option<PathBuf>,
    /// Start from the paper's settings: AlexNet at 227 pixels, 100 000 steps
    #[arg(long, conflicts_with = "config")]
    paper: bool,
    /// The run's folder
    #[arg(long, default_value = "runs/features", value_name = "DIR")]
    run: PathBuf,
    /// Continue the run in that folder
    #[arg(long, conflicts_with_all = ["resize", "strict", "pretext", "masks", "silhouettes", "paper", "config", "smoke"])]
    resume: bool,
}

impl Pretrain {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let new = if self.resume { None } else { Some(self.configuration()?) };
        self.args.run(new, None, &self.run, console)
    }

    /// Settings from the file, then from arguments.
    fn configuration(&self) -> Result<PretrainConfig> {
        let RunArgs { data, resize, strict, config, smoke, .. } = &self.args;
        let mut config = match config {
            Some(file) => PretrainConfig::load(file).into_diagnostic()?,
            None if self.paper => PretrainConfig::default(),
            None => PretrainConfig::first_run(),
        };
        if let Some(path) = data {
            config = config.with_folder(path, *resize, *strict).into_diagnostic()?;
        }
        if let Some(pretext) = self.pretext {
            config.pretext = pretext;
        }
        if self.masks.is_some() || self.silhouettes.is_some() {
            let kind = self.masks.unwrap_or(MaskKindName::RandomRegion);
            config.masks = kind.with(0, self.silhouettes.clone());
        }
        let config = if *smoke { config.smoke() } else { config };
        let mut settings = self.args.settings().into_iter();
        settings.try_fold(config, |config, setting| config.with_override(&setting)).into_diagnostic()
    }
}
