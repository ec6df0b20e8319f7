//! The one place where photographs meet the library's inpainter.

use std::path::Path;

use context_encoder::{
    Device, Inpainter,
    eval::Fill,
    mask::Mask,
    photo::{DeepImage, Photograph, Pixels},
};
use image::{GrayImage, RgbImage};
use miette::{IntoDiagnostic, Result};

use crate::hole::Hole;

/// Fills photographs on one device.
pub struct Filler {
    inpainter: Inpainter,
}

impl Filler {
    pub fn load(weights: &Path, device: &Device) -> Result<Self> {
        Ok(Self { inpainter: Inpainter::load(weights, device).into_diagnostic()? })
    }

    /// Fills the hole; every other pixel stays bit for bit.
    pub fn fill(&self, photo: &mut Photograph, hole: &Hole) -> Result<()> {
        let mask = match hole {
            Hole::Hard(mask) => mask,
            Hole::Soft(coverage) => &touched(coverage),
        };
        let degree = |x: u32, y: u32| match hole {
            Hole::Hard(mask) => u32::from(mask.is_hidden(x, y)) * 255,
            Hole::Soft(coverage) => u32::from(coverage.get_pixel(x, y).0[0]),
        };
        match photo.pixels_mut() {
            Pixels::Eight(pixels) => {
                let filled = self.inpainter.fill(pixels, mask).into_diagnostic()?;
                mix_eight(pixels, &filled, degree);
            }
            Pixels::Sixteen(pixels) => {
                let filled = self
                    .inpainter
                    .fill(&Pixels::Sixteen(pixels.clone()).to_eight(), mask)
                    .into_diagnostic()?;
                mix_sixteen(pixels, &filled, degree);
            }
        }
        Ok(())
    }
}

/// Every pixel that is hidden to any degree.
fn touched(coverage: &GrayImage) -> Mask {
    Mask::from_fn(coverage.width(), coverage.height(), |x, y| coverage.get_pixel(x, y).0[0] > 0)
}

fn mix_eight(pixels: &mut RgbImage, filled: &RgbImage, degree: impl Fn(u32, u32) -> u32) {
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let (degree, filled) = (degree(x, y), filled.get_pixel(x, y).0);
        for (value, filled) in pixel.0.iter_mut().zip(filled) {
            *value = mix(u32::from(*value), u32::from(filled), degree) as u8;
        }
    }
}

fn mix_sixteen(pixels: &mut DeepImage, filled: &RgbImage, degree: impl Fn(u32, u32) -> u32) {
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let (degree, filled) = (degree(x, y), filled.get_pixel(x, y).0);
        for (value, filled) in pixel.0.iter_mut().zip(filled) {
            *value = mix(u32::from(*value), u32::from(filled) * 257, degree) as u16;
        }
    }
}

/// `kept` at degree 0, `filled` at 255, rounded to the nearest in between.
fn mix(kept: u32, filled: u32, degree: u32) -> u32 {
    (kept * (255 - degree) + filled * degree + 127) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_is_exact_at_both_ends() {
        for (kept, filled) in [(0, 65_535), (65_535, 0), (77, 12_345)] {
            assert_eq!((mix(kept, filled, 0), mix(kept, filled, 255)), (kept, filled));
        }
        assert_eq!(mix(0, 255, 128), 128);
    }
}
