//! The interface of whatever fills holes in pictures.

use context_encoder_mask::Mask;
use image::RgbImage;

use crate::InpaintError;

/// Fills the hidden part of pictures. Masks have 1 = hidden.
pub trait Fill {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// Fills one picture. Visible pixels come back bit for bit.
    ///
    /// # Errors
    /// [`InpaintError::MaskSize`], [`InpaintError::NothingHidden`] and [`InpaintError::NothingVisible`] for
    /// masks that cannot be used.
    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError>;

    /// Fills several pictures, in their order.
    ///
    /// # Errors
    /// As for [`fill`](Self::fill).
    fn fill_all(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<RgbImage>, InpaintError> {
        pictures.iter().zip(masks).map(|(picture, mask)| self.fill(picture, mask)).collect()
    }
}

/// Refuses masks that no fill can use for a picture of this width and height.
///
/// # Errors
/// [`InpaintError::MaskSize`], [`InpaintError::NothingVisible`] and [`InpaintError::NothingHidden`], checked
/// in this order.
pub fn check_mask(picture: (u32, u32), mask: &Mask) -> Result<(), InpaintError> {
    let size = (mask.width(), mask.height());
    if size != picture {
        return Err(InpaintError::MaskSize { mask: size, picture });
    }
    if mask.is_full() {
        return Err(InpaintError::NothingVisible);
    }
    if mask.is_empty() {
        return Err(InpaintError::NothingHidden);
    }
    Ok(())
}
