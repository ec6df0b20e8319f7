//! Context encoder networks (Pathak et al., CVPR 2016) on Burn.
//!
//! - [`Model`]: the inpainting network, built from a [`ModelConfig`]: encoder, bottleneck (dense or
//!   [`ChannelWise`]), decoder.
//! - [`Predictor`]: a model for inference; [`Model::save_onnx`] writes one for other runtimes.
//! - [`interpolate`]: the weights between two networks.
//! - [`Discriminator`]: for the adversarial loss, in logits.
//! - [`FeatureModel`]: the AlexNet-style network for feature learning; [`FeatureEncoder`]: the part of it
//!   that transfers, [`FeatureLayer`] by [`FeatureLayer`].
//! - [`Preset`]: paper, authors, recommended, photo.
//!
//! Pictures are `[batch, 3, height, width]` in `[-1, 1]`; masks `[batch, 1, height, width]` with 1 = hidden.
//! No backend is named: the [`Device`](burn::tensor::Device) is an argument.

mod bottleneck;
mod channel_wise;
mod config;
mod data_dependent_init;
mod decoder;
mod discriminator;
mod encoder;
mod error;
mod feature_config;
mod feature_encoder;
mod feature_model;
mod init;
mod initial_fill;
mod interpolate;
mod layer;
mod model;
mod onnx;
mod parameter_count;
mod predictor;
mod skips;
mod weights;

pub use channel_wise::ChannelWise;
pub use config::{BottleneckConfig, ModelConfig, Prediction, Preset};
pub use discriminator::Discriminator;
pub use error::ModelError;
pub use feature_config::{FeatureModelConfig, Pooling};
pub use feature_encoder::{FeatureEncoder, FeatureLayer};
pub use feature_model::FeatureModel;
pub use initial_fill::InitialFill;
pub use interpolate::interpolate;
pub use model::Model;
pub use onnx::OnnxInput;
pub use parameter_count::parameter_count;
pub use predictor::Predictor;
pub use weights::{Precision, SaveOptions, TrainingRecord, read_tensors};
