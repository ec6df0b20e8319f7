//! What can go wrong when fills are measured or compared.

use std::path::PathBuf;

use context_encoder_inpaint::InpaintError;
use context_encoder_model::ModelError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A picture could not be filled.
    #[error(transparent)]
    Inpaint(#[from] InpaintError),
    /// Weights that cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Weights of another network than AlexNet's LPIPS.
    #[error(
        "{}: {reason}; write the file with Python: torch.save(lpips.LPIPS(net='alex').state_dict(), 'lpips.pth')",
        path.display()
    )]
    Lpips {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Weights of another network than FID's Inception v3.
    #[error(
        "{}: {reason}; take the file pt_inception-2015-12-05-6726825d.pth of the Python package pytorch-fid",
        path.display()
    )]
    Fid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
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

/// Fills of this crate report what is wrong with their gallery through
/// [`Fill`](context_encoder_inpaint::Fill).
impl From<EvalError> for InpaintError {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Inpaint(error) => error,
            other => Self::Other(other.into()),
        }
    }
}
