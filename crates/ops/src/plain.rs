//! The meaning of every operation, in Burn's tensor operations.

use burn::tensor::{
    Tensor,
    module::{batch_norm_train, conv_transpose2d, conv2d, max_pool2d},
    ops::{ConvOptions, ConvTransposeOptions, MaxPoolOptions},
};

use crate::{
    AdamStep, BatchNorm, BatchNormOutput, BatchStats, ConvGeometry, ConvKind, ConvLayer, LocalResponseNorm,
};

pub(crate) fn convolve(
    ConvLayer { way, window, groups, activation }: ConvLayer,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    let ConvGeometry { stride, padding, .. } = window;
    let (x, weight) = (upright(x, &[1]), upright(weight, &[0, 1]));
    let y = match way {
        ConvKind::Conv2d => {
            let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], groups);
            conv2d(x, weight, bias, options)
        }
        ConvKind::ConvTranspose2d => {
            let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [0, 0], [1, 1], groups);
            conv_transpose2d(x, weight, bias, options)
        }
    };
    activation.apply(upright(y, &[1]))
}

/// Where one of `axes` has length one: gives it the stride of its place, to the tensor and to its gradient.
///
/// Burn's graphics devices compute convolutions with channels last and hand back a permuted view, so that a single
/// channel has stride 1 like the columns. Nothing is wrong with that, until a fused kernel of Burn 0.22.1 overwrites such
/// a tensor in place, as Adam does with a gradient: it reads wrong places (`z + 1000 t` of a `t` that is
/// `[3, 2, 2, 1]` permuted to `[3, 1, 2, 2]`; docs/backends.md). In here that befell the discriminator's last layer, whose
/// one logit is a channel. Two reshapes move nothing and set the strides right.
fn upright(tensor: Tensor<4>, axes: &[usize]) -> Tensor<4> {
    let dims = tensor.dims();
    if axes.iter().all(|&axis| dims[axis] > 1) {
        return tensor;
    }
    let line: Tensor<1> = tensor.reshape([dims.iter().product::<usize>()]);
    line.reshape(dims)
}

/// Weights times scale, and the shift.
pub(crate) fn fold(
    layer: ConvLayer,
    weight: Tensor<4>,
    affine: Option<(Tensor<1>, Tensor<1>)>,
) -> (Tensor<4>, Option<Tensor<1>>) {
    let Some((scale, shift)) = affine else { return (weight, None) };
    let mut dims = [1; 4];
    let out = layer.outputs_axis();
    dims[out] = weight.dims()[out];
    (weight * scale.reshape(dims), Some(shift))
}

pub(crate) fn normalise(
    BatchNorm { parts, epsilon, activation }: BatchNorm,
    x: Tensor<4>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
) -> BatchNormOutput {
    let (outputs, statistics) = x
        .chunk(parts, 0)
        .into_iter()
        .map(|part| {
            let result = batch_norm_train(part, gamma.clone(), beta.clone(), epsilon);
            let (mean, variance) = (result.mean.detach(), result.variance.detach());
            (activation.apply(result.output), BatchStats { mean, variance })
        })
        .unzip();
    BatchNormOutput { output: Tensor::cat(outputs, 0), statistics }
}

pub(crate) fn max_pool(x: Tensor<4>, ConvGeometry { kernel, stride, padding }: ConvGeometry) -> Tensor<4> {
    let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    max_pool2d(x, options)
}

pub(crate) fn response_norm(norm: LocalResponseNorm, x: Tensor<4>) -> Tensor<4> {
    let LocalResponseNorm { channels: window, alpha, bias } = norm;
    let [batch, channels, height, width] = x.dims();
    let margin = Tensor::zeros([batch, window / 2, height, width], &x.device());
    let squares = Tensor::cat(vec![margin.clone(), x.clone().square(), margin], 1);
    let sums = (0..window).map(|shift| squares.clone().narrow(1, shift, channels));
    let sum = sums.fold(x.zeros_like(), |sum, squares| sum + squares);
    let base = sum.mul_scalar(alpha / window as f64).add_scalar(bias);
    x * base.powf_scalar(-LocalResponseNorm::EXPONENT)
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
