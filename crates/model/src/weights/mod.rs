//! Weights in and out of files: safetensors with the configuration inside, and PyTorch checkpoints.

mod apply;
mod encoder;
mod feature;
mod ports;
mod precision;
mod pytorch;
mod record;
mod safetensors;

pub use precision::{Precision, SaveOptions};
pub use record::TrainingRecord;
