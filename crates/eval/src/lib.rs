//! Use a trained context encoder: fill pictures, and measure the result.
//!
//! - [`Inpainter`]: a picture of any size and a mask in, a filled picture out.
//! - [`Blend`]: how a prediction meets the picture around it; [`Seam`] measures how well.
//! - [`fill`]: fills that need no network, [`BorderMean`] and [`Harmonic`], to hold a result against.
//! - [`Scores`]: L1, L2, PSNR and SSIM of a filled picture (paper, Table 1).
//! - [`evaluate`]: any number of fills over any number of pictures, as a [`Table`].
//! - [`image_grid`]: pictures of pictures: input, filled, truth.
//!
//! Whatever fills is a [`Fill`]. Masks have 1 = hidden; visible pixels come back as they were.

mod blend;
mod error;
mod evaluation;
pub mod fill;
mod hole;
pub mod image_grid;
mod inpainter;
mod interval;
#[cfg(feature = "pretrained")]
mod pretrained;
mod protocol;
mod published;
pub mod retrieval;
mod scores;
mod seam;
mod ssim;

pub use blend::Blend;
pub use error::EvalError;
pub use evaluation::{Entry, Table, evaluate};
pub use fill::{BorderMean, Fill, Harmonic, NearestNeighbour, Telea};
pub use inpainter::{Channel, Image, Inpainter};
pub use interval::Interval;
#[cfg(feature = "pretrained")]
pub use pretrained::{pretrained, pretrained_weights};
pub use protocol::Protocol;
pub use published::{Published, TABLE_1};
pub use scores::Scores;
pub use seam::Seam;
