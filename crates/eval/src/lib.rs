//! Measure how good filled pictures are, beside fills that need no network.
//!
//! - [`Scores`]: L1, L2, PSNR and SSIM of a filled picture (paper, Table 1); [`Seam`]: how visible its seam
//!   is; [`Lpips`], [`Fid`]: how different it looks, or all pictures together, for whoever has those
//!   networks' weights.
//! - [`evaluate`]: any number of fills over any number of pictures, as a [`Table`] under a [`Protocol`].
//! - [`BorderMean`], [`Telea`], [`NearestNeighbour`]: baselines to compare a network with.
//! - [`retrieval`]: pictures whose surroundings of a hole look alike.
//! - [`image_grid`]: pictures of pictures: input, filled, truth.
//!
//! Whatever fills is a [`Fill`]. Masks have 1 = hidden.

mod border_mean;
mod error;
mod evaluation;
mod fid;
pub mod image_grid;
mod inception;
mod lpips;
mod nearest_neighbour;
pub mod retrieval;
mod scores;
mod seam;
mod ssim;
mod telea;

pub use border_mean::BorderMean;
pub use error::EvalError;
pub use evaluation::{Entry, Protocol, Published, TABLE_1, Table, evaluate, evaluate_hidden};
pub use fid::{Fid, FidFeatures};
pub use lpips::Lpips;
pub use nearest_neighbour::NearestNeighbour;
pub use scores::{Interval, Scores};
pub use seam::Seam;
pub use telea::Telea;

/// Everything of [`context_encoder_inpaint`] under the paths of earlier versions.
#[doc(hidden)]
pub use context_encoder_inpaint::*;
