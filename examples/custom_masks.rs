//! A mask generator of one's own, used as the built-in ones are.
//!
//!     cargo run --release --example custom_masks
//!
//! Data: built-in facades. Time: a second. Expect: `custom_masks.png`, eight facades under bars that slant at random,
//! and the share of each that is hidden.

use std::{io::Write, process::ExitCode};

use context_encoder::{
    data::{Purpose, rng_for},
    eval::image_grid,
    prelude::*,
};
use image::Rgb;
use rand::{Rng, RngExt};

/// Hides a bar across the picture, slanting at random: a fence post, a cable, a crack.
struct SlantingBar {
    /// Width of the bar over the picture's width.
    width: f64,
}

impl MaskGenerator for SlantingBar {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        let top: f64 = rng.random_range(0.2..0.8);
        let bottom: f64 = rng.random_range(0.2..0.8);
        Mask::from_fn(width, height, |x, y| {
            let middle = top + (bottom - top) * f64::from(y) / f64::from(height);
            (f64::from(x) / f64::from(width) - middle).abs() < self.width / 2.0
        })
    }
}

fn main() -> ExitCode {
    match draw() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn draw() -> Result<(), Box<dyn std::error::Error>> {
    let facades = Facades::new(2016).with_size(128, 128);
    // All of a generator's randomness comes from the stream that it is given, so the same stream gives the same mask.
    let bars: Box<dyn MaskGenerator> = Box::new(SlantingBar { width: 0.12 });
    let mut out = std::io::stdout().lock();
    let mut columns = Vec::new();
    for index in 0..8 {
        let picture = facades.image(index);
        let mask = bars.generate(128, 128, &mut rng_for(7, Purpose::Mask, 0, index));
        writeln!(out, "{:.1} % hidden", 100.0 * mask.hidden_fraction())?;
        columns.push(vec![image_grid::with_hole(&picture, &mask, Rgb([255, 0, 255])), picture]);
    }
    image_grid::save(&image_grid::lay_out(&columns), "custom_masks.png")?;
    writeln!(out, "wrote custom_masks.png")?;
    Ok(())
}
