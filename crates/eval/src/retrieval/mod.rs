//! Pictures whose surroundings of a hole look alike (paper, Figure 8), found without looking into the hole.
//!
//! A [`Descriptor`] turns what surrounds a hole into a vector: [`Hog`] by hand, [`EncoderFeatures`] by what
//! an encoder has learned. [`Search`] finds the nearest in memory, a [`VectorFile`] on disk, and
//! [`NearestNeighbour`](crate::NearestNeighbour) pastes what they have where the hole is: the paper's
//! baselines in Table 1.

mod features;
mod hog;
mod search;
mod vector_file;
mod vector_writer;

use context_encoder_inpaint::{InpaintError, check_mask};
use context_encoder_mask::Mask;
use image::RgbImage;

pub use features::EncoderFeatures;
pub use hog::Hog;
pub use search::{Neighbour, Search};
pub use vector_file::VectorFile;
pub use vector_writer::VectorWriter;

use crate::EvalError;

/// Describes pictures with holes by what surrounds the holes.
pub trait Descriptor {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// One vector for each picture, all of one length for masks that hide alike. What is hidden has no
    /// influence.
    ///
    /// # Errors
    /// When a picture or mask is of a size that it cannot take.
    fn describe(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<Vec<f32>>, EvalError>;
}

/// As [`check_mask`], but nothing need be hidden.
fn check_leaves_something_visible(picture: (u32, u32), mask: &Mask) -> Result<(), EvalError> {
    match check_mask(picture, mask) {
        Ok(()) | Err(InpaintError::NothingHidden) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
