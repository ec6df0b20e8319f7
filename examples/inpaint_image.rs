//! Fills the centre of a picture with trained weights.
//!
//!     cargo run --release --example inpaint_image -- --weights runs/paris/model.safetensors PICTURE
//!
//! Data: any picture; without one, a built-in facade. Time: a second. Expect: `filled.png`, of the network's size,
//! and how far the fill is from what was there, beside two fills without a network.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Parser;
use context_encoder::{
    data::{Limits, Purpose, View, decode, stream},
    eval::{BorderMean, Harmonic, sheet},
    prelude::*,
};

#[derive(Parser)]
#[command(about = "Fill the centre of a picture with trained weights")]
struct Arguments {
    /// Picture to fill; it is resized to the network's square. Without it, a built-in facade
    picture: Option<PathBuf>,
    /// Weights that train_paris wrote
    #[arg(long)]
    weights: PathBuf,
    /// Where the filled picture goes, as PNG
    #[arg(long, short, default_value = "filled.png")]
    output: PathBuf,
    /// What is hidden: the whole central square (`hidden`), or 4 (`authors`) or 7 (`paper`) pixels less on each side
    #[arg(long, default_value = "hidden")]
    protocol: Protocol,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn main() -> ExitCode {
    match inpaint(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn inpaint(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    if arguments.output.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("png")) {
        return Err(format!(
            "{} would hold a PNG; give it a name that ends in .png",
            arguments.output.display()
        )
        .into());
    }
    let inpainter = Inpainter::load(&arguments.weights, &device(&arguments.device)?)?;
    let side = inpainter.side();
    let picture = match &arguments.picture {
        Some(path) => {
            let picture = decode(path, &Limits::default())?;
            View::Whole { size: side }.apply(&picture, &mut stream(0, Purpose::Crop, 0, 0))
        }
        None => Facades::new(2016).with_size(side, side).picture(0),
    };
    let mask = arguments.protocol.mask(side);
    sheet::save(&inpainter.fill(&picture, &mask)?, &arguments.output)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "wrote {}", arguments.output.display())?;

    let fills: [&dyn Fill; 3] = [&inpainter, &BorderMean, &Harmonic];
    writeln!(out, "{}", evaluate(&fills, &[picture], arguments.protocol)?)?;
    Ok(())
}
