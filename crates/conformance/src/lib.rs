//! Checks whether a device computes what a reference device computes.
//!
//! [`conformance()`] runs every part of the library on both: operations and networks forward and backward,
//! ten steps of training, files and filled pictures. It needs no files, so that a built program can be
//! carried to a machine with nothing else on it.

mod check;
mod networks;
mod operations;
mod part;
mod suite;
mod training;

pub use check::{Arithmetic, Check, Verdict};
pub use part::Scale;
pub use suite::conformance;
