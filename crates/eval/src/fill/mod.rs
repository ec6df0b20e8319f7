//! Whatever fills holes in pictures; some fills here need no network.

mod border_mean;
mod harmonic;
mod nearest;
mod telea;

use context_encoder_mask::Mask;
use image::RgbImage;

pub use border_mean::BorderMean;
pub use harmonic::Harmonic;
pub use nearest::NearestNeighbour;
pub use telea::Telea;

use crate::EvalError;

/// Fills the hidden part of pictures. Masks have 1 = hidden.
pub trait Fill {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// Fills one picture. Visible pixels come back bit for bit.
    ///
    /// # Errors
    /// [`EvalError::MaskSize`], [`EvalError::NothingHidden`] and [`EvalError::NothingVisible`] for masks
    /// that cannot be used.
    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, EvalError>;

    /// Fills several pictures, in their order.
    ///
    /// # Errors
    /// As for [`fill`](Self::fill).
    fn fill_all(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<RgbImage>, EvalError> {
        pictures.iter().zip(masks).map(|(picture, mask)| self.fill(picture, mask)).collect()
    }
}

/// Refuses masks that no fill can use for a picture of this width and height.
pub(crate) fn check(picture: (u32, u32), mask: &Mask) -> Result<(), EvalError> {
    check_visible(picture, mask)?;
    if mask.is_empty() {
        return Err(EvalError::NothingHidden);
    }
    Ok(())
}

/// Refuses masks of another size than their picture, and those that leave nothing visible.
pub(crate) fn check_visible(picture: (u32, u32), mask: &Mask) -> Result<(), EvalError> {
    let size = (mask.width(), mask.height());
    if size != picture {
        return Err(EvalError::MaskSize { mask: size, picture });
    }
    if mask.is_full() {
        return Err(EvalError::NothingVisible);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn useless_masks_are_refused_by_every_fill() {
        let picture = RgbImage::new(8, 6);
        let fills: [&dyn Fill; 3] = [&BorderMean, &Harmonic, &Telea];
        for fill in fills {
            let refuse = |mask: &Mask| fill.fill(&picture, mask).expect_err("useless").to_string();
            assert!(refuse(&Mask::visible(8, 8)).contains("the same width and height"));
            assert!(refuse(&Mask::visible(8, 6)).contains("hides nothing"));
            assert!(refuse(&Mask::from_fn(8, 6, |_, _| true)).contains("hides the whole picture"));
        }
    }
}
