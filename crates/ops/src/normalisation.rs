//! Batch norm with the activation behind it, as training sees it.

use burn::tensor::Tensor;

use crate::{Activation, form::Form, plain};

/// A normalised map, and the statistics it was normalised with.
pub struct Normalised {
    /// `[batch, channels, height, width]`
    pub output: Tensor<4>,
    /// Mean of every channel over the batch, no gradient.
    pub mean: Tensor<1>,
    /// Variance of every channel over the batch, divided by the count, no gradient.
    pub variance: Tensor<1>,
}

/// `activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`, the moments taken over batch,
/// height and width (Ioffe and Szegedy, 2015).
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`; `gamma`, `beta`: `[channels]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, normalise};
///
/// let device = Device::default();
/// let x = Tensor::<4>::from_floats([[[[1.0]]], [[[3.0]]]], &device);
/// let ones = Tensor::<1>::ones([1], &device);
/// let y = normalise(x, ones.clone(), ones.zeros_like(), 0.0, Activation::Relu);
/// assert_eq!(y.mean.into_scalar::<f32>(), 2.0);
/// assert_eq!(y.output.into_data().try_to_vec::<f32>().expect("f32"), [0.0, 1.0]);
/// ```
///
/// # Panics
/// When the shapes do not belong together.
pub fn normalise(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Normalised {
    let [_, channels, _, _] = x.dims();
    assert!(
        gamma.dims() == [channels] && beta.dims() == [channels],
        "gamma {:?} and beta {:?} do not belong to {channels} channels",
        gamma.dims(),
        beta.dims()
    );
    match Form::of(&x) {
        #[cfg(feature = "flex")]
        Form::Fast => crate::flex::normalise(x, gamma, beta, epsilon, activation),
        _ => plain::normalise(x, gamma, beta, epsilon, activation),
    }
}
