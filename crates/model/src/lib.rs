//! Context encoder networks (Pathak et al., CVPR 2016) on Burn.
//!
//! - [`Model`]: the inpainting network, built from a [`ModelConfig`]: [`Encoder`], [`Bottleneck`]
//!   (dense or [`ChannelWise`]), [`Decoder`].
//! - [`Predictor`]: a model laid out for inference.
//! - [`interpolate`]: the weights between two networks.
//! - [`Discriminator`]: the adversarial loss's judge, in logits.
//! - [`FeatureModel`]: the AlexNet-style network for feature learning; [`FeatureEncoder`]: the part of it
//!   that transfers, [`FeatureLayer`] by [`FeatureLayer`].
//! - [`Preset`]: paper, authors, recommended.
//!
//! Pictures are `[batch, 3, height, width]` in `[-1, 1]`; masks `[batch, 1, height, width]` with
//! 1 = hidden. No backend is named: the [`Device`](burn::tensor::Device) comes in from outside.

mod bottleneck;
mod channel_wise;
mod config;
mod decoder;
mod discriminator;
mod encoder;
mod error;
mod feature;
mod fill;
mod init;
mod interpolate;
mod layer;
mod model;
mod parameter_count;
mod parts;
mod predictor;
mod preset;
mod stage;
mod weights;

pub use bottleneck::{Bottleneck, ChannelWiseMix, DenseCode};
pub use channel_wise::ChannelWise;
pub use config::{BottleneckConfig, ModelConfig, Prediction};
pub use decoder::Decoder;
pub use discriminator::Discriminator;
pub use encoder::Encoder;
pub use error::ModelError;
pub use feature::{FeatureDecoder, FeatureEncoder, FeatureLayer, FeatureModel, FeatureModelConfig, Pooling};
pub use fill::InitialFill;
pub use interpolate::interpolate;
pub use model::Model;
pub use parameter_count::parameter_count;
pub use predictor::Predictor;
pub use preset::Preset;
pub use weights::{Precision, SaveOptions, TrainingRecord};
