//! Fills any picture under any mask with trained weights.
//!
//!     cargo run --release --example inpaint_image -- --weights runs/paris/model.safetensors PICTURE --mask
//! MASK
//!
//! Data: any picture, and a mask of the same size, white where the picture is to be filled; without a mask
//! the centre is filled, without a picture a built-in facade. Time: a second, and a few more for each ten
//! megapixels. Expect: `filled.png`, of the picture's size, and how visible the seam is before and after
//! blending.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use context_encoder::{
    data::{Limits, decode},
    eval::{Blend, Seam, image_grid},
    mask::Rect,
    prelude::*,
};

/// Fill any picture under any mask with trained weights
#[derive(Parser)]
struct Arguments {
    /// Picture to fill, of any size. Without it, a built-in facade
    picture: Option<PathBuf>,
    /// Mask of the same size: white is filled or, on a transparent layer, what is opaque. Without it, the
    /// central quarter
    #[arg(long)]
    mask: Option<PathBuf>,
    /// Weights that train_paris wrote
    #[arg(long)]
    weights: PathBuf,
    /// PNG file for the filled picture
    #[arg(long, short, default_value = "filled.png")]
    output: PathBuf,
    /// How the prediction is blended into the picture: none, feather or poisson
    #[arg(long, default_value_t)]
    blend: Blend,
    /// Pixels of the central square that were visible to the network in training: 4 (`authors`), 7 (`paper`)
    #[arg(long, default_value_t = 0)]
    overlap: u32,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn main() -> ExitCode {
    if let Err(error) = inpaint(&Arguments::parse()) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn inpaint(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    if arguments.output.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("png")) {
        return Err(format!(
            "{} would hold a PNG; give it a name that ends in .png",
            arguments.output.display()
        )
        .into());
    }
    let inpainter = Inpainter::load(&arguments.weights, &device(&arguments.device)?)?
        .with_overlap(arguments.overlap)
        .with_blend(arguments.blend);
    let side = inpainter.side();
    let picture = match &arguments.picture {
        Some(path) => decode(path, &Limits::default())?,
        None => Facades::new(2016).with_size(side, side).image(0),
    };
    let (width, height) = picture.dimensions();
    let mask = match &arguments.mask {
        Some(path) => Mask::load(path, Some((width, height)))?,
        None => {
            let mut mask = Mask::visible(width, height);
            mask.hide(Rect::central(width, height));
            mask
        }
    };
    let start = Instant::now();
    let filled = inpainter.fill(&picture, &mask)?;
    let seconds = start.elapsed().as_secs_f64();
    image_grid::save(&filled, &arguments.output)?;

    let mut out = std::io::stdout().lock();
    writeln!(out, "filled {} pixels in {seconds:.2} s", mask.hidden_count())?;
    writeln!(out, "wrote {}", arguments.output.display())?;
    writeln!(out, "{}: {}", arguments.blend, Seam::measure(&filled, &mask)?)?;
    if arguments.blend != Blend::None {
        let unblended = inpainter.with_blend(Blend::None).fill(&picture, &mask)?;
        writeln!(out, "none: {}", Seam::measure(&unblended, &mask)?)?;
    }
    Ok(())
}
