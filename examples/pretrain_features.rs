//! Pretrains an AlexNet-style network in four ways, on the same pictures for the same steps: by inpainting,
//! as an autoencoder, as a denoising autoencoder, and not at all. Their encoders are what other tasks start
//! from.
//!
//!     cargo run --release --example pretrain_features
//!     cargo run --release --example pretrain_features -- --data DIR --steps 1000 --run runs/scenes
//!
//! Data: none needed; `--data` takes any folder of pictures. Expect: runs/pretrained/NAME/model.safetensors
//! for `context`, `autoencoder`, `denoising` and `random`, each with a grid of input, prediction and truth;
//! the scores are over the loss region of each, so they cannot be compared. Smoke mode: `--smoke`.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Parser;
use context_encoder::{
    device,
    model::{FeatureEncoder, FeatureLayer},
    train::{Pretext, PretrainConfig, Run, Summary, TextProgress},
};

#[derive(Parser)]
#[command(about = "Pretrain encoders by inpainting and by the baselines of the paper's Table 2")]
struct Arguments {
    /// Folder of pictures, with subfolders, or of tar files in WebDataset's form; without it, facades are
    /// drawn by the program
    #[arg(long)]
    data: Option<PathBuf>,
    /// Shorter side of the folder's pictures before a square is cropped, pixels
    #[arg(long, requires = "data")]
    resize: Option<u32>,
    /// One more setting, such as `model.width=32`; may be repeated (see docs/features.md)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps of each
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The folder of the runs
    #[arg(long, default_value = "runs/pretrained")]
    run: PathBuf,
    /// A few steps of a tiny network, to see that everything works
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    match pretrain(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pretrain(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let device = device(&arguments.device)?;
    let mut config = PretrainConfig::first_run();
    config.run.steps = arguments.steps;
    if let Some(path) = &arguments.data {
        config = config.with_folder(path, arguments.resize, false)?;
    }
    if arguments.smoke {
        config = config.smoke();
    }
    let mut config =
        arguments.settings.iter().try_fold(config, |config, setting| config.with_override(setting))?;

    for pretext in Pretext::ALL {
        let config = PretrainConfig { pretext, ..config.clone() };
        let run = Run::start(config, arguments.run.join(pretext.name()), &device)?;
        report(pretext.name(), &run.train(&mut *TextProgress::or_tui(std::io::stdout()))?, &device)?;
    }
    config.run.steps = 0;
    let run = Run::start(config, arguments.run.join("random"), &device)?;
    report("random", &run.train(&mut ())?, &device)
}

fn report(
    name: &str,
    summary: &Summary,
    device: &context_encoder::Device,
) -> Result<(), Box<dyn std::error::Error>> {
    let encoder = FeatureEncoder::load(&summary.weights, device)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name}: {} steps, {}", summary.step, summary.validation.network)?;
    writeln!(
        out,
        "  {} of {} pixels at width {}: {}\n",
        FeatureLayer::Pool5,
        encoder.config().size,
        encoder.config().width,
        summary.weights.display()
    )?;
    Ok(())
}
