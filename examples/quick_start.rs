//! Ten lines: train for a moment, then fill a hole. No files needed; a few seconds; expect `filled.png`.
//!
//!     cargo run --release --example quick_start
#![allow(clippy::print_stdout, reason = "a program that talks")]

use context_encoder::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = device("cpu")?;
    let config = TrainConfig::from_toml("steps = 20\nbatch_size = 8\nmodel.size = 64\nmodel.width = 16")?;
    let folder = std::env::temp_dir().join(format!("context-encoder-quick-start-{}", std::process::id()));
    let run = Run::start(config, &folder, &device)?.train(&mut TextProgress::new(std::io::stdout()))?;

    let inpainter = Inpainter::load(&run.weights, &device)?;
    let picture = Facades::new(7).with_size(64, 64).image(0);
    let mask = Protocol::Hidden.mask(64);
    let filled = inpainter.fill(&picture, &mask)?;
    filled.save("filled.png")?;
    println!("{}", Scores::hidden(&filled, &picture, &mask));
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
