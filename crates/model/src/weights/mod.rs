//! Weights in and out of files: safetensors with the configuration inside, and PyTorch checkpoints.

mod apply;
mod ports;
mod pytorch;
mod safetensors;

pub use safetensors::TrainingRecord;
