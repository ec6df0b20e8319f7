//! Puts a device on trial: does it compute what others compute, and how fast?
//!
//! - [`conformance()`]: every part of the library on one device against the same part on another, forward and
//!   backward, through ten steps of training, files and filled pictures.
//! - [`Bench`]: pictures a second in training and filling; [`fed`]: the same in a run on real batches, and the share of
//!   its time that is spent waiting for them.
//! - [`peak_memory`], [`device_memory`]: what that took.
//!
//! None needs files, so that a built program can be carried to a machine with nothing else on it.

mod bench;
pub mod conformance;
mod error;
mod memory;
mod waiting;

pub use bench::{Bench, Measured, Settings, Task};
pub use conformance::{Check, Scale, conformance, part_names};
pub use error::TrialError;
pub use memory::{device_memory, held_memory, peak_memory};
pub use waiting::{Fed, fed};
