//! What can go wrong when pictures are filled or measured.

use std::path::PathBuf;

use context_encoder_model::ModelError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The weights could not be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture of a size that the network does not take.
    #[error(
        "the picture is {width}x{height}, the network takes {side}x{side}; resize picture and mask first"
    )]
    PictureSize {
        /// Width of the picture, pixels.
        width: u32,
        /// Height of the picture, pixels.
        height: u32,
        /// Side that the network takes, pixels.
        side: u32,
    },
    /// A mask of another size than its picture.
    #[error("the mask is {mask:?}, its picture {picture:?}; they must be of the same width and height")]
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
    #[error("the mask hides the whole picture, so there is nothing to fill it from")]
    NothingVisible,
    /// A network that predicts the centre was given a hole elsewhere.
    #[error(
        "the hole reaches pixel ({x}, {y}), but this network predicts the central square only, from {from} to {to} \
         on both axes; use a network trained for whole pictures"
    )]
    HoleOutsideCentre {
        /// Column of a hidden pixel outside the centre.
        x: u32,
        /// Row of a hidden pixel outside the centre.
        y: u32,
        /// First row and column of the central square.
        from: u32,
        /// First row and column after the central square.
        to: u32,
    },
    /// A search in a gallery without pictures.
    #[error("the gallery holds no picture; name a folder that does")]
    EmptyGallery,
    /// A picture could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: image::ImageError,
    },
}
