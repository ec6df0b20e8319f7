//! The interface of whatever fills holes in pictures, and what can go wrong.

use context_encoder_mask::Mask;
use context_encoder_model::ModelError;
use image::RgbImage;

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

/// An error of this crate, or of another crate's [`Fill`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InpaintError {
    /// The weights could not be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A mask of another size than its picture.
    #[error(
        "the mask is {mask:?}, its picture {picture:?}; they must be of the same width and height; \
         resize the mask, or draw it on a copy of the picture"
    )]
    MaskSize {
        /// Width and height of the mask, pixels.
        mask: (u32, u32),
        /// Width and height of the picture, pixels.
        picture: (u32, u32),
    },
    /// A mask that hides nothing.
    #[error("the mask hides nothing, so there is nothing to fill; hidden pixels are 1 (white)")]
    NothingHidden,
    /// A mask that hides everything.
    #[error(
        "the mask hides the whole picture, so there is nothing to fill it from; leave some of it \
         visible (0, black), or invert the mask if it was painted the other way round"
    )]
    NothingVisible,
    /// Not as many masks as pictures.
    #[error("{pictures} pictures and {masks} masks were given; each picture needs its own mask")]
    Unpaired {
        /// How many pictures.
        pictures: usize,
        /// How many masks.
        masks: usize,
    },
    /// The device stopped computing, for instance a graphics card that was taken away.
    #[error("a prediction cannot be read from its device: {0}; choose another device, or try again")]
    Device(String),
    /// What another implementation of [`Fill`] reports.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl InpaintError {
    pub(crate) fn device(error: impl std::fmt::Display) -> Self {
        Self::Device(error.to_string())
    }
}
