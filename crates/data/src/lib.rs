//! From image files to batches: folders, decoding, cropping, loading, and built-in facades.
//!
//! | step | module | what it does |
//! |---|---|---|
//! | 1 | `dataset`, `folder`, `shards`, `facades` | images by index: files found by content, sorted, with a fixed split; or drawn |
//! | 2 | `decode` | a file becomes 8-bit RGB, upright, within limits |
//! | 3 | `transform`, `crop` | a square for training (random crop, flip, scale and color jitter) or evaluation |
//! | 4 | `loader`, `sampler`, `prefetch`, `image_cache` | batches ahead of their consumer, the same for any number of threads |
//! | 5 | `batch`, [`pixel`] | samples become tensors in `[-1, 1]` on a device, and back: the one place that knows ranges |
//!
//! Randomness is explicit: each decision has its own [random stream](rng_for), keyed by seed, purpose, epoch
//! and image. Masks are 1 where an image is hidden.

mod batch;
mod crop;
mod dataset;
mod decode;
mod error;
mod facades;
mod folder;
mod image_cache;
mod loader;
mod prefetch;
mod rng;
mod sampler;
mod shards;
mod transform;

pub mod pixel;

pub use batch::{InpaintingBatch, Sample};
pub use dataset::{ImageDataset, Skipped};
pub use decode::{Limits, decode};
pub use error::DataError;
pub use facades::Facades;
pub use folder::{Folder, FolderOptions};
pub use image_cache::CacheStats;
pub use loader::{Loader, LoaderConfig, MaskSharing};
pub use rng::{Purpose, rng_for};
pub use sampler::Sampler;
pub use shards::Shards;
pub use transform::Transform;
