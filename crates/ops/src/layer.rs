//! Plain descriptions of layers: no kernel is named here, so that kernels may read them.

use burn::tensor::{Tensor, TensorData, activation::relu};

/// An activation that a layer applies to its result.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// None.
    #[default]
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, negative_slope x)`, the negative slope within `0..=1`.
    LeakyRelu(f32),
}

impl Activation {
    /// The factor of negative values; with it, each activation is `max(x, negative_slope x)`.
    pub fn negative_slope(self) -> f32 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => 0.0,
            Self::LeakyRelu(negative_slope) => negative_slope,
        }
    }

    /// This activation; the identity within [`without_kinks`](crate::without_kinks).
    pub fn unless_without_kinks(self) -> Self {
        if crate::dispatch::is_without_kinks() { Self::Identity } else { self }
    }

    /// The reference implementation.
    ///
    /// Leaky ReLU is written as `relu(x) - negative_slope relu(-x)`: Burn's own goes through boolean masks,
    /// several times slower under autodiff.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(negative_slope) => relu(x.clone()) - relu(x.neg()).mul_scalar(negative_slope),
        }
    }
}

/// Kernel size, stride and padding of a convolution or of pooling, the same along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Side of the kernel in pixels.
    pub kernel: usize,
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
}

impl ConvGeometry {
    /// A kernel of this side, stride and padding.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel, stride, padding }
    }

    /// Values of a kernel for one pair of channels.
    #[cfg(feature = "flex")]
    pub(crate) const fn taps(self) -> usize {
        self.kernel * self.kernel
    }

    /// Side of a convolution's output for an input of this side.
    pub fn output_size(self, side: usize) -> usize {
        (side + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Side of a transposed convolution's output for an input of this side.
    pub fn transposed_output_size(self, side: usize) -> usize {
        (side - 1) * self.stride + self.kernel - 2 * self.padding
    }
}

/// Whether a layer is a convolution or a transposed convolution.
///
/// A convolution takes a large map to a small one, its transpose (which is also the gradient of its input) a
/// small map to a large one. Kernels speak of the large and the small map, whichever of them is the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ConvKind {
    /// The small map from the large one.
    Conv2d,
    /// The large map from the small one.
    ConvTranspose2d,
}

#[cfg(feature = "flex")]
impl ConvKind {
    /// The kind of the gradient of the input.
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Conv2d => Self::ConvTranspose2d,
            Self::ConvTranspose2d => Self::Conv2d,
        }
    }

    /// `[input, output]` as `[large, small]`, and the other way round.
    pub(crate) fn swap_if_transposed<T>(self, [a, b]: [T; 2]) -> [T; 2] {
        match self {
            Self::Conv2d => [a, b],
            Self::ConvTranspose2d => [b, a],
        }
    }
}

/// A convolution or transposed convolution with bias and activation: `activation(weight * x + bias)`. Holds
/// no parameters.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, ConvGeometry, ConvLayer};
///
/// let device = Device::default();
/// let geometry = ConvGeometry::new(4, 2, 1);
/// let conv = ConvLayer::conv2d(geometry, 1, Activation::Relu);
/// let y = conv.forward(Tensor::ones([1, 3, 8, 8], &device), Tensor::ones([5, 3, 4, 4], &device), None);
/// assert_eq!(y.dims(), [1, 5, 4, 4]);
/// assert_eq!(y.max().into_scalar::<f32>(), 48.0); // 3 channels of 4x4 ones
///
/// let conv = ConvLayer::conv_transpose2d(geometry, Activation::Identity);
/// let y = conv.forward(Tensor::ones([1, 5, 4, 4], &device), Tensor::ones([5, 3, 4, 4], &device), None);
/// assert_eq!(y.dims(), [1, 3, 8, 8]);
/// assert_eq!(y.max().into_scalar::<f32>(), 20.0); // 5 channels, 4 overlapping kernels
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvLayer {
    pub(crate) kind: ConvKind,
    pub(crate) geometry: ConvGeometry,
    pub(crate) groups: usize,
    pub(crate) activation: Activation,
}

impl ConvLayer {
    /// A convolution; input and output channels of one of the `groups` see none of another.
    pub const fn conv2d(geometry: ConvGeometry, groups: usize, activation: Activation) -> Self {
        Self { kind: ConvKind::Conv2d, geometry, groups, activation }
    }

    /// A transposed convolution.
    pub const fn conv_transpose2d(geometry: ConvGeometry, activation: Activation) -> Self {
        Self { kind: ConvKind::ConvTranspose2d, geometry, groups: 1, activation }
    }

    /// Shape of the weights for so many channels: `[out, in / groups, kernel, kernel]`, transposed
    /// `[in, out, kernel, kernel]`.
    pub fn weight_shape(self, inputs: usize, outputs: usize) -> [usize; 4] {
        let kernel = self.geometry.kernel;
        match self.kind {
            ConvKind::Conv2d => [outputs, inputs / self.groups, kernel, kernel],
            ConvKind::ConvTranspose2d => [inputs, outputs, kernel, kernel],
        }
    }

    /// The axis of the weights that belongs to the output channels.
    pub(crate) fn output_channel_axis(self) -> usize {
        match self.kind {
            ConvKind::Conv2d => 0,
            ConvKind::ConvTranspose2d => 1,
        }
    }

    /// Whether the kernel fits a map of its own size only once: weights of such layers are many, and each is
    /// used once for an image.
    #[cfg(feature = "flex")]
    pub(crate) fn may_be_dense(self) -> bool {
        let ConvGeometry { kernel, stride, padding } = self.geometry;
        self.groups == 1 && stride == 1 && padding == 0 && kernel > 1
    }
}

/// Constants of one step of Adam (Kingma and Ba, algorithm 1), as kernels take them.
#[cfg(any(feature = "flex", feature = "cube"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamConstants {
    pub(crate) beta_1: f32,
    pub(crate) beta_2: f32,
    /// Learning rate over `1 - beta_1^t`.
    pub(crate) lr: f32,
    /// `sqrt(1 - beta_2^t)`.
    pub(crate) correction: f32,
    pub(crate) epsilon: f32,
}

/// How an [`InferenceLayer`](crate::InferenceLayer) keeps its weights. It computes in 32 bits either way.
///
/// | | bytes | relative error of a weight |
/// |---|---|---|
/// | `F32` | 4 | none |
/// | `Bf16` | 2 | 2^-8 at most |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Storage {
    /// 32 bits, as they are.
    #[default]
    F32,
    /// Rounded to bfloat16, on every device. They take half the memory on Burn's processor backend where a
    /// kernel is as large as the map: a small batch waits for these weights to come from memory. Other
    /// layers keep the rounded weights in 32 bits, since they stay in the cache.
    Bf16,
}

impl Storage {
    /// The weights as this storage has them, in 32 bits again.
    pub(crate) fn round<const D: usize>(self, weights: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => weights,
            Self::Bf16 => {
                let (device, dims) = (weights.device(), weights.dims());
                let values: Vec<f32> = weights.into_data().iter::<f32>().map(round_to_bf16).collect();
                Tensor::from_data(TensorData::new(values, dims), &device)
            }
        }
    }
}

/// The bits of the nearest bfloat16; of two as near, the even one.
pub(crate) fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40; // remains NaN, whichever half its payload is in
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

fn round_to_bf16(value: f32) -> f32 {
    f32::from_bits(u32::from(bf16_bits(value)) << 16)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn each_activation_is_the_larger_of_x_and_negative_slope_x() {
        let x = [-2.0_f32, -0.5, 0.0, 3.0];
        for activation in [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.2)] {
            let y = activation.apply(Tensor::<1>::from_floats(x, &Device::flex())).into_data();
            let expected = x.map(|x| x.max(activation.negative_slope() * x));
            assert_eq!(y.try_to_vec::<f32>().expect("f32"), expected, "{activation:?}");
        }
    }

    #[test]
    fn leaky_relu_gradient_is_one_above_zero_and_the_negative_slope_below() {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_floats([-2.0, -0.5, 3.0], &device).require_grad();
        let grads = Activation::LeakyRelu(0.2).apply(x.clone()).sum().backward();
        let dx: Vec<f32> = x.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        assert_eq!(dx, [0.2, 0.2, 1.0]);
    }

    #[test]
    fn bf16_rounds_to_nearest_even_of_eight_binary_digits() {
        let step = 1.0 / 128.0; // from 1 to 2
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 0.4 * step, 1.0),
            (1.0 + 0.6 * step, 1.0 + step),
            (-1.0 - 0.6 * step, -1.0 - step),
            (1.0 + 0.5 * step, 1.0),              // to the even one
            (1.0 + 1.5 * step, 1.0 + 2.0 * step), // likewise
            (0.0, 0.0),
            (f32::MAX, f32::INFINITY),
        ] {
            assert_eq!(round_to_bf16(value), expected, "{value}");
        }
        assert!(round_to_bf16(f32::from_bits(0x7F80_0001)).is_nan());
    }
}
