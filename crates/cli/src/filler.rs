//! The one place where photographs meet the library's inpainter.

use clap::Args;
use context_encoder::{
    Inpainter,
    files::{Photograph, Pixels},
    inpaint::{Blend, Channel, Image},
};
use miette::{IntoDiagnostic, Result};

use crate::{device::DeviceChoice, hole::Hole, weights::WeightsChoice};

/// What fills, and how.
#[derive(Args)]
pub struct FillerChoice {
    #[command(flatten)]
    weights: WeightsChoice,
    /// How a prediction meets the picture around it: none, feather or membrane
    #[arg(long, value_name = "MODE", default_value_t)]
    blend: Blend,
    /// Pixels of the central square that the network saw in training: 7 for preset `paper`, 4 for `authors`
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    overlap: u32,
    /// Predict twice, once with left and right exchanged, and take the mean: closer and smoother, in twice the time
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    device: DeviceChoice,
}

impl FillerChoice {
    pub fn load(&self) -> Result<Filler> {
        let inpainter = self.weights.inpainter(&self.device.open()?)?;
        Ok(Filler {
            inpainter: inpainter.with_blend(self.blend).with_overlap(self.overlap).with_mirror(self.mirror),
        })
    }
}

/// Fills photographs on one device.
pub struct Filler {
    inpainter: Inpainter,
}

impl Filler {
    /// Fills the hole; every other pixel stays bit for bit.
    pub fn fill(&self, photo: &mut Photograph, hole: &Hole) -> Result<()> {
        match photo.pixels_mut() {
            Pixels::Eight(pixels) => *pixels = self.filled(pixels, hole)?,
            Pixels::Sixteen(pixels) => *pixels = self.filled(pixels, hole)?,
        }
        Ok(())
    }

    fn filled<S: Channel>(&self, picture: &Image<S>, hole: &Hole) -> Result<Image<S>> {
        match hole {
            Hole::Hard(mask) => self.inpainter.fill(picture, mask),
            Hole::Soft(coverage) => self.inpainter.fill_soft(picture, coverage),
        }
        .into_diagnostic()
    }
}
