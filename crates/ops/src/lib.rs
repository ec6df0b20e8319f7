//! Fast forms of what context encoders compute.
//!
//! Each operation has two forms. The **plain** form is written in Burn's tensor operations: it says
//! what is computed, runs on every device, and is what the fast form is tested against. The **fast**
//! form runs on Burn's processor backend (`flex`): one pass over memory for what is several plain
//! operations, on every core, with the processor's widest vectors, found when the program runs.
//! [`implementation`] decides which one runs, and is the only place that does.
//!
//! | operation | is | plain form |
//! |---|---|---|
//! | [`Conv2d`] | convolution, bias, activation | `conv2d` |
//! | [`ConvTranspose2d`] | transposed convolution, bias, activation | `conv_transpose2d` |
//! | [`BatchNorm`] | batch norm over the batch or parts of it, activation | `batch_norm_train` |
//! | [`ConvLayer`] | one of the first two | as above |
//! | [`InferenceLayer`] | a layer with weights laid out beforehand, for inference | as above |
//! | [`max_pool`] | the largest value of each window | `max_pool2d` |
//! | [`LocalResponseNorm`] | AlexNet's competition of channels | tensor arithmetic |
//! | [`resize`] | bilinear interpolation | products with fixed weights, its only form |
//! | [`apply_mask`] | a picture with its hidden part in one colour | tensor arithmetic |
//! | [`smooth`] | a picture with its hidden part filled smoothly | tensor arithmetic |
//! | [`tanh`] | hyperbolic tangent | `tanh` |
//! | [`adam`] | one step of Adam | tensor arithmetic |
//!
//! Layout of the crate: this level speaks tensors; `flex` turns them into slices and knows gradients;
//! `kernel` computes on slices. `unsafe` is in `kernel`, and in the one place of `flex` that lends a
//! kernel's buffer to a tensor.

mod activation;
mod adam;
mod apply_mask;
mod autocast;
mod convolution;
pub mod implementation;
mod layer;
#[cfg(test)]
mod noise;
mod normalisation;
mod plain;
mod pooling;
mod prepared;
mod resize;
mod response_norm;
mod smooth;
mod storage;
mod tanh;

#[cfg(feature = "flex")]
#[cfg_attr(not(feature = "autodiff"), allow(dead_code, reason = "half of it is gradients"))]
mod flex;
#[cfg(feature = "flex")]
#[cfg_attr(not(feature = "autodiff"), allow(dead_code, reason = "half of it is gradients"))]
mod kernel;

pub use activation::Activation;
pub use adam::{AdamStep, adam};
pub use apply_mask::apply_mask;
pub use autocast::{autocast, product};
pub use convolution::{Conv2d, ConvGeometry, ConvTranspose2d};
pub use layer::{ConvKind, ConvLayer};
pub use normalisation::{BatchNorm, BatchNormOutput, BatchStats};
pub use pooling::max_pool;
pub use prepared::InferenceLayer;
pub use resize::resize;
pub use response_norm::LocalResponseNorm;
pub use smooth::smooth;
pub use storage::Storage;
pub use tanh::tanh;
