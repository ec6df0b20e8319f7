//! Weights in and out of files: safetensors with the configuration inside, and PyTorch checkpoints.

mod caffe;
mod feature;
mod pytorch;
mod safetensors;
mod save_options;
mod state_dict;
mod torch7;

pub use pytorch::read_tensors;
pub(crate) use safetensors::{FEATURE_MODEL_KEY, MODEL_KEY};
pub use save_options::{Precision, SaveOptions, TrainingRecord};
