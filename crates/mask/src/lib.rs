//! Masks for context encoders: what is hidden from the network.
//!
//! A context encoder (Pathak et al., CVPR 2016) learns by filling in what a [`Mask`] hides: **1 (`true`) is
//! hidden, 0 (`false`) is visible**. A mask is new for every image at every step; a [`MaskGenerator`] draws
//! it, with all of its randomness from the random number generator that it is given.
//!
//! | generator | hides | fraction of the image | paper |
//! |---|---|---|---|
//! | [`Central`] | the centered square of half the side, less an overlap | about 1/4 | section 3.3, (a) |
//! | [`RandomBlock`] | several squares that may overlap | 1/10 to 1/4 | section 3.3, (b) |
//! | [`RandomRegion`] | random regions: blobs of thresholded noise; needs no files | 20 % to 30 % | section 3.3, (c), as in the authors' code |
//! | [`Silhouettes`] | random regions: one arbitrary shape, rotated, scaled and placed at random | 1/20 to 1/4 | section 3.3, (c) |
//! | [`FreeForm`] | brush strokes, ellipses or random regions, as people paint | 1/50 to 2/5 | not in the paper |
//! | [`DroppedPixels`] | single pixels | the given probability | baseline: denoising autoencoder |
//! | [`NothingHidden`] | nothing | 0 | baseline: autoencoder |
//!
//! [`MaskKind`] names one of them in a configuration file, and a user's own mask comes from an image by
//! [`Mask::load`].
//!
//! # Example
//!
//! ```
//! use context_encoder_mask::MaskKind;
//! use rand::SeedableRng;
//! use rand_chacha::ChaCha8Rng;
//!
//! let generator = MaskKind::Central { overlap: 4 }.build()?;
//! let mask = generator.generate(128, 128, &mut ChaCha8Rng::seed_from_u64(1));
//! assert_eq!(mask.hidden_count(), 56 * 56);
//! assert!(mask.is_hidden(64, 64));
//! assert!(!mask.is_hidden(0, 0));
//! # Ok::<(), context_encoder_mask::MaskError>(())
//! ```

mod central;
mod class_map;
mod dropped_pixels;
mod error;
mod file;
mod free_form;
mod generator;
mod mask;
mod mask_kind;
mod random_block;
mod random_region;
mod shape;
mod silhouette;

pub use central::Central;
pub use dropped_pixels::{DroppedPixels, NothingHidden};
pub use error::MaskError;
pub use free_form::FreeForm;
pub use generator::{MIN_SIDE, MaskGenerator};
pub use mask::{Mask, Rect};
pub use mask_kind::MaskKind;
pub use random_block::RandomBlock;
pub use random_region::RandomRegion;
pub use silhouette::Silhouettes;
