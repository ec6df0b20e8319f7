//! `train`: a run in a folder, new or continued.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{model::Preset, train::TrainConfig};
use miette::{IntoDiagnostic, Result};

use crate::{
    device::DevicesChoice,
    outcome::Outcome,
    output::Output,
    training::{RunArgs, run},
};

/// Train a network; without arguments, a compact one on built-in facades, in a few minutes on a processor.
#[derive(Args)]
pub struct Train {
    /// Folder of pictures, with subfolders, or of tar files in WebDataset's form; without it, facades are drawn by the program
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Shorter side of the folder's pictures before a square is cropped, pixels
    #[arg(long, requires = "data", value_name = "PIXELS")]
    resize: Option<u32>,
    /// Folder of test pictures: what is in it too, byte for byte, is not trained on
    #[arg(long, alias = "without", requires = "data", value_name = "DIR")]
    exclude: Option<PathBuf>,
    /// Stop at the first picture that cannot be read
    #[arg(long, requires = "data")]
    strict: bool,
    /// Start from the settings of `paper`, `authors` or `recommended`
    #[arg(long, conflicts_with = "config")]
    preset: Option<Preset>,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One more setting, such as `model.width=32`; may be repeated. With --resume: learning rates, precision, steps,
    /// intervals, workers, data.cache_mib
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps in all
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    #[command(flatten)]
    devices: DevicesChoice,
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
        let devices = self.devices.open()?;
        let settings = self.devices.settings(&self.settings);
        let new = if self.resume { None } else { Some(self.configuration(&settings)?) };
        let args = RunArgs { folder: &self.run, settings: &settings, steps: self.steps };
        run(new, &args, devices, output)
    }

    /// Settings from preset or file, then from arguments.
    fn configuration(&self, settings: &[String]) -> Result<TrainConfig> {
        let mut config = match (&self.config, self.preset) {
            (Some(file), _) => TrainConfig::load(file).into_diagnostic()?,
            (None, Some(preset)) => TrainConfig::preset(preset),
            (None, None) => TrainConfig::first_run(),
        };
        if let Some(path) = &self.data {
            config.run.data = config
                .run
                .data
                .in_folder(path, self.resize, self.strict)
                .and_then(|data| data.excluding(self.exclude.as_deref()))
                .into_diagnostic()?;
        }
        if self.smoke {
            config = config.smoke();
        }
        settings.iter().try_fold(config, |config, setting| config.with_override(setting)).into_diagnostic()
    }
}
