//! A user-defined mask generator, used like the built-in ones.
//!
//!     cargo run --release --example custom_masks
//!
//! Data: built-in facades. Time: a second. Expect: `custom_masks.png`, eight facades under bars of random
//! slant, and the fraction of each that is hidden.

use std::{io::Write, process::ExitCode};

use context_encoder::{
    data::{Purpose, rng_for},
    eval::image_grid,
    prelude::*,
};
use image::Rgb;
use rand::{Rng, RngExt};

/// Hides a bar of random slant across the picture: a fence post, a cable, a crack.
struct SlantingBar {
    /// Width of the bar relative to the picture's width.
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
    if let Err(error) = draw() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn draw() -> Result<(), Box<dyn std::error::Error>> {
    let facades = Facades::new(2016).with_size(128, 128);
    // A generator draws from the given random numbers only, so the same seed gives the same mask.
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
