//! From picture files to batches: folders, decoding, cropping, loading, and built-in facades.
//!
//! | step | module | what it does |
//! |---|---|---|
//! | 1 | `folder`, `shards`, `sniff` | lists pictures by content, sorted, with a fixed split |
//! | 2 | `decode`, `jpeg` | a file becomes 8-bit RGB, upright, within limits |
//! | 3 | `view`, `crop`, `tint` | training views (random crop, flip, scale, light) and the evaluation view |
//! | 4 | [`pixel`] | bytes to `[-1, 1]` and back: the one place that knows ranges |
//! | 5 | `loader`, `loader_config`, `order`, `prefetch`, `decoded_cache` | batches ahead of their consumer, the same for any number of threads |
//! | 6 | `batch` | a batch on the host, and on a device |
//!
//! Randomness is explicit: each decision has its own [`stream`], keyed by seed, purpose, epoch and picture. Masks
//! are 1 where a picture is hidden. Pictures come from a [`Folder`], from [`Shards`], from [`facades`] drawn on the fly, or from any
//! other [`PictureSource`].

mod batch;
mod color_jitter;
mod crop;
mod decode;
mod decoded_cache;
mod error;
mod facade_source;
mod folder;
mod jpeg;
mod loader;
mod loader_config;
mod order;
mod prefetch;
mod rng_for;
mod shards;
mod skipped;
mod sniff;
mod source;
mod transform;

pub mod facades;
pub mod pixel;

pub use batch::{HostBatch, InpaintingBatch, Sample};
pub use color_jitter::ColorJitter;
pub use decode::{Limits, decode};
pub use decoded_cache::CacheStats;
pub use error::{DataError, OnBadPicture};
pub use facade_source::FacadeSource;
pub use facades::Facades;
pub use folder::{Folder, FolderOptions, VALIDATION_EVERY};
pub use loader::{Batches, Loader};
pub use loader_config::{LastBatch, LoaderConfig, MaskSharing};
pub use order::{Order, Position};
pub use rng_for::{Purpose, coin_flips, rng_for};
pub use shards::Shards;
pub use skipped::Skipped;
pub use source::PictureSource;
pub use transform::Transform;
