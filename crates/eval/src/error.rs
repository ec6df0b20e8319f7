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
    /// A picture of a size whose surroundings the network does not describe.
    #[error(
        "the picture is {width}x{height}, its features are taken at {side}x{side}; resize picture and mask first"
    )]
    DescribedSize {
        /// Width of the picture, pixels.
        width: u32,
        /// Height of the picture, pixels.
        height: u32,
        /// Side that the network takes, pixels.
        side: u32,
    },
    /// A gallery whose pictures are of another size than the one to fill.
    #[error(
        "the picture is {picture:?}, the gallery's pictures are {gallery:?}; resize them to one size first"
    )]
    Gallery {
        /// Width and height of the picture, pixels.
        picture: (u32, u32),
        /// Width and height of the gallery's picture, pixels.
        gallery: (u32, u32),
    },
    /// A search in a gallery without pictures.
    #[error("the gallery holds no picture; name a folder that does")]
    EmptyGallery,
    /// A file of vectors that cannot be written, read, or searched.
    #[error("{}: {reason}", path.display())]
    Vectors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A picture could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: image::ImageError,
    },
}
