//! Weights in and out of files: safetensors with the configuration inside, and PyTorch checkpoints.

mod feature;
mod pytorch;
mod safetensors;
mod save_options;
mod state_dict;

pub use pytorch::read_tensors;
pub use save_options::{Precision, SaveOptions, TrainingRecord};
