//! Measures how fast a device trains and fills pictures.
//!
//! - [`Bench`]: training steps or forward passes on a batch that is already on the device.
//! - [`Measurement`]: pictures a second and the memory that took; [`Measurement::of_run`] measures a training
//!   run on real batches, and the share of its time that is spent waiting for data.
//!
//! Neither needs files, so that a built program can be carried to a machine with nothing else on it.

mod bench;
mod measurement;

pub use bench::{Bench, BenchSettings, BenchTask};
pub use measurement::Measurement;
