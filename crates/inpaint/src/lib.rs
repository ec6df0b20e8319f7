//! Fill holes in pictures with a trained context encoder.
//!
//! - [`Inpainter`]: a picture of any size and a mask in, a filled picture out.
//! - [`Blend`]: how a prediction meets the picture around it.
//! - [`Refine`]: whether patches of the picture sharpen it.
//! - [`Fill`]: the interface of whatever fills holes; [`Harmonic`] is the smooth fill without a network.
//!
//! Masks have 1 = hidden; visible pixels come back bit for bit.

// docs.rs marks what belongs to a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod blend;
mod channel;
mod components;
mod conjugate_gradients;
mod copies;
mod crop;
mod fill;
mod harmonic;
mod hole;
mod inpainter;
mod job;
mod model_input;
mod multigrid;
mod patch;
mod pixel_set;
#[cfg(feature = "pretrained")]
mod pretrained;
mod progress;
mod refine;
mod sparse_poisson;
mod thin;

pub use blend::Blend;
pub use channel::{Channel, Image};
pub use fill::{Fill, InpaintError, check_mask};
pub use harmonic::Harmonic;
pub use inpainter::Inpainter;
#[cfg(feature = "pretrained")]
pub use pretrained::{pretrained, pretrained_weights};
pub use refine::{Refine, WithPatches};
