//! Trains a context encoder, by default `recommended` at width 32 on built-in facades.
//!
//!     cargo run --release --example train_paris
//!     cargo run --release --example train_paris -- --data DIR --resize 192
//!     cargo run --release --example train_paris -- --preset authors --steps 116400 --data DIR --device cuda
//!
//! Data: none needed; `--data` takes any folder of pictures. Time: one to five minutes on two cores without
//! arguments. Expect: a PSNR on the validation pictures above border mean and harmonic fill, grids of samples
//! under runs/paris/samples, weights in runs/paris/model.safetensors. Smoke mode: `--smoke`.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Parser;
use context_encoder::prelude::*;
use context_encoder::train::{Summary, TextProgress, TrainError};

#[derive(Parser)]
#[command(about = "Train a context encoder; without arguments, a few minutes on the CPU")]
struct Arguments {
    /// Folder of pictures, with subfolders, or of tar files in WebDataset's form; without it, facades are
    /// drawn by the program
    #[arg(long)]
    data: Option<PathBuf>,
    /// Shorter side of the folder's pictures before a square is cropped, pixels
    #[arg(long, requires = "data")]
    resize: Option<u32>,
    /// Stop at the first picture that cannot be read
    #[arg(long, requires = "data")]
    strict: bool,
    /// Start from the settings of `paper`, `authors`, `recommended` or `photo`
    #[arg(long, conflicts_with = "config")]
    preset: Option<Preset>,
    /// TOML file of settings (see docs/training.md)
    #[arg(long)]
    config: Option<PathBuf>,
    /// One more setting, such as `model.width=32`; may be repeated. With --resume: learning rates, steps,
    /// intervals, workers, data.cache_mib
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps in all
    #[arg(long)]
    steps: Option<u64>,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The run's folder
    #[arg(long, default_value = "runs/paris")]
    run: PathBuf,
    /// Continue the run in that folder
    #[arg(long, conflicts_with_all = ["data", "preset", "config", "smoke"])]
    resume: bool,
    /// A few steps of a tiny network, to see that everything works
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    match train(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn train(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let device = device(&arguments.device)?;
    let mut run = if arguments.resume {
        let run = Run::<TrainConfig>::resume(&arguments.run, &device)?;
        arguments.settings.iter().try_fold(run, |run, setting| run.with_override(setting))?
    } else {
        Run::start(configuration(arguments)?, &arguments.run, &device)?
    };
    if let Some(steps) = arguments.steps {
        run = run.with_steps(steps);
    }
    let summary = run.train(&mut *TextProgress::or_tui(std::io::stdout()))?;
    Ok(report(&summary)?)
}

/// Settings from preset or file, then from arguments.
fn configuration(arguments: &Arguments) -> Result<TrainConfig, TrainError> {
    let mut config = match (&arguments.config, arguments.preset) {
        (Some(file), _) => TrainConfig::load(file)?,
        (None, Some(preset)) => TrainConfig::preset(preset),
        (None, None) => TrainConfig::first_run(),
    };
    if let Some(path) = &arguments.data {
        config.run.data = config.run.data.in_folder(path, arguments.resize, arguments.strict)?;
    }
    if arguments.smoke {
        config = config.smoke();
    }
    arguments.settings.iter().try_fold(config, |config, setting| config.with_override(setting))
}

fn report(summary: &Summary) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{} steps; on {} validation pictures:", summary.step, summary.validation.pictures)?;
    writeln!(out, "  context encoder  {}", summary.validation.network)?;
    for (name, scores) in &summary.validation.baselines {
        writeln!(out, "  {name:<15}  {scores}")?;
    }
    if let Some(samples) = summary.samples.last() {
        writeln!(out, "\nlook at   {}", samples.display())?;
    }
    writeln!(
        out,
        "fill with cargo run --release --example inpaint_image -- --weights {}",
        summary.weights.display()
    )
}
