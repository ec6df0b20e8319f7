//! What can go wrong when pictures are filled.

use context_encoder_model::ModelError;

/// An error of this crate, or of another crate's [`Fill`](crate::Fill).
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
    /// What another implementation of [`Fill`](crate::Fill) reports.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
