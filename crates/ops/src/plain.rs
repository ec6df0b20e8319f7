//! The meaning of every operation, in Burn's tensor operations.

use burn::tensor::{
    Tensor,
    module::{conv_transpose2d, conv2d},
    ops::{ConvOptions, ConvTransposeOptions},
};

use crate::{Activation, AdamStep, Layer, Normalised, Way, Window};

pub(crate) fn convolve(
    Layer { way, window, groups, activation }: Layer,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    let Window { stride, padding, .. } = window;
    activation.apply(match way {
        Way::Down => {
            let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], groups);
            conv2d(x, weight, bias, options)
        }
        Way::Up => {
            let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [0, 0], [1, 1], groups);
            conv_transpose2d(x, weight, bias, options)
        }
    })
}

pub(crate) fn normalise(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Normalised {
    let result = burn::tensor::module::batch_norm_train(x, gamma, beta, epsilon);
    Normalised {
        output: activation.apply(result.output),
        mean: result.mean.detach(),
        variance: result.variance.detach(),
    }
}

/// Moved weights and both moments.
pub(crate) fn adam<const D: usize>(
    step: AdamStep,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    [first, second]: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let first = first.mul_scalar(step.beta_1) + gradient.clone().mul_scalar(1.0 - step.beta_1);
    let second = second.mul_scalar(step.beta_2) + gradient.square().mul_scalar(1.0 - step.beta_2);
    let root = second.clone().sqrt().add_scalar(step.epsilon * step.correction());
    let moved = first.clone().mul_scalar(step.rate() * step.correction()).div(root);
    (weights - moved, [first, second])
}
