//! Convolutions and up-convolutions with bias and activation.

use burn::tensor::Tensor;

use crate::{Activation, ConvLayer};

/// A square kernel and how it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Side in pixels.
    pub kernel: usize,
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
}

impl ConvGeometry {
    /// A window of this side, stride and padding.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel, stride, padding }
    }

    /// Values of a kernel for one pair of channels.
    #[cfg(feature = "flex")]
    pub(crate) const fn taps(self) -> usize {
        self.kernel * self.kernel
    }

    /// Side of a convolution's result for a map of this side.
    pub fn down(self, side: usize) -> usize {
        (side + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Side of an up-convolution's result for a map of this side.
    pub fn up(self, side: usize) -> usize {
        (side - 1) * self.stride + self.kernel - 2 * self.padding
    }
}

/// A convolution: `activation(weight * x + bias)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, Conv2d, ConvGeometry};
///
/// let device = Device::default();
/// let halve = Conv2d { window: ConvGeometry::new(4, 2, 1), groups: 1, activation: Activation::Relu };
/// let x = Tensor::ones([1, 3, 8, 8], &device);
/// let y = halve.forward(x, Tensor::ones([5, 3, 4, 4], &device), None);
/// assert_eq!(y.dims(), [1, 5, 4, 4]);
/// assert_eq!(y.max().into_scalar::<f32>(), 48.0); // 3 channels of 4x4 ones
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Kernel, stride and padding.
    pub window: ConvGeometry,
    /// Groups of channels that do not hear of each other.
    pub groups: usize,
    /// What is applied to the result.
    pub activation: Activation,
}

impl Conv2d {
    /// # Shapes
    /// - `x`: `[batch, in, height, width]`
    /// - `weight`: `[out, in / groups, kernel, kernel]`, `bias`: `[out]`
    /// - output: `[batch, out, down(height), down(width)]`, see [`ConvGeometry::down`]
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn forward(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        ConvLayer::from(self).forward(x, weight, bias)
    }
}

/// An up-convolution (transposed convolution): `activation(weight^T * x + bias)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, ConvTranspose2d, ConvGeometry};
///
/// let device = Device::default();
/// let double = ConvTranspose2d { window: ConvGeometry::new(4, 2, 1), activation: Activation::Identity };
/// let y = double.forward(Tensor::ones([1, 5, 4, 4], &device), Tensor::ones([5, 3, 4, 4], &device), None);
/// assert_eq!(y.dims(), [1, 3, 8, 8]);
/// assert_eq!(y.max().into_scalar::<f32>(), 20.0); // 5 channels, 4 overlapping kernels
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvTranspose2d {
    /// Kernel, stride and padding.
    pub window: ConvGeometry,
    /// What is applied to the result.
    pub activation: Activation,
}

impl ConvTranspose2d {
    /// # Shapes
    /// - `x`: `[batch, in, height, width]`
    /// - `weight`: `[in, out, kernel, kernel]`, `bias`: `[out]`
    /// - output: `[batch, out, up(height), up(width)]`, see [`ConvGeometry::up`]
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn forward(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        ConvLayer::from(self).forward(x, weight, bias)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        noise::{difference, noise},
        plain,
    };

    type Forward = dyn Fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>) -> Tensor<4>;

    /// Output and all gradients of both forms, on flex.
    fn compare(name: &str, dims: [[usize; 4]; 2], outputs: usize, fast: &Forward, plain: &Forward) {
        let device = Device::flex();
        let x = noise(dims[0], 1, &device);
        let (weight, bias) = (noise(dims[1], 2, &device), noise([outputs], 3, &device));
        let expected = plain(x.clone(), weight.clone(), Some(bias.clone()));
        let got = fast(x.clone(), weight.clone(), Some(bias.clone()));
        let apart = difference(got, expected.clone());
        assert!(apart < 1e-5, "{name}: outputs differ by {apart}");

        let device = device.autodiff();
        let gradients = |layer: &Forward| {
            let track =
                |tensor: Tensor<4>| Tensor::<4>::from_data(tensor.into_data(), &device).require_grad();
            let (x, weight) = (track(x.clone()), track(weight.clone()));
            let bias = Tensor::<1>::from_data(bias.clone().into_data(), &device).require_grad();
            let y = layer(x.clone(), weight.clone(), Some(bias.clone()));
            let dy = Tensor::from_data(noise(expected.dims(), 4, &Device::flex()).into_data(), &device);
            let grads = (y * dy).sum().backward();
            (
                x.grad(&grads).expect("tracked"),
                weight.grad(&grads).expect("tracked"),
                bias.grad(&grads).expect("tracked"),
            )
        };
        let (fast, plain) = (gradients(fast), gradients(plain));
        for (what, apart) in [
            ("x", difference(fast.0, plain.0)),
            ("weight", difference(fast.1, plain.1)),
            ("bias", difference(fast.2, plain.2)),
        ] {
            assert!(apart < 1e-4, "{name}: gradients of {what} differ by {apart}");
        }
    }

    const ACTIVATIONS: [Activation; 3] = [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.2)];

    #[test]
    fn a_convolution_is_its_plain_form() {
        #[rustfmt::skip]
        let cases = [
            // window, groups, batch, in, out, height, width
            (ConvGeometry::new(4, 2, 1), 1, 3, 37, 19, 10, 14), // Winograd, odd channels and odd numbers of tiles
            (ConvGeometry::new(4, 2, 1), 1, 2, 64, 32, 16, 16),
            (ConvGeometry::new(4, 2, 1), 1, 5, 16, 130, 12, 4),
            (ConvGeometry::new(4, 2, 1), 1, 2, 3, 64, 8, 8),    // few channels
            (ConvGeometry::new(4, 2, 1), 1, 1, 32, 48, 8, 8),   // few tiles
            (ConvGeometry::new(4, 2, 1), 1, 2, 20, 20, 9, 11),  // odd sides
            (ConvGeometry::new(4, 1, 0), 1, 3, 35, 50, 4, 4),   // the whole map
            (ConvGeometry::new(4, 1, 0), 1, 3, 33, 1, 4, 4),
            (ConvGeometry::new(4, 1, 0), 1, 1, 35, 50, 4, 4),   // of one picture
            (ConvGeometry::new(1, 1, 0), 1, 2, 40, 24, 4, 4),
            (ConvGeometry::new(11, 4, 0), 1, 2, 3, 24, 35, 27), // AlexNet's
            (ConvGeometry::new(5, 1, 2), 2, 2, 24, 64, 7, 9),
            (ConvGeometry::new(3, 1, 1), 2, 2, 96, 64, 6, 6),
            (ConvGeometry::new(3, 2, 0), 1, 2, 17, 17, 13, 13),
        ];
        for (index, (window, groups, batch, inputs, outputs, height, width)) in cases.into_iter().enumerate()
        {
            let layer = Conv2d { window, groups, activation: ACTIVATIONS[index % 3] };
            let weight = [outputs, inputs / groups, window.kernel, window.kernel];
            compare(
                &format!("{layer:?} {inputs} to {outputs} at {height}x{width}"),
                [[batch, inputs, height, width], weight],
                outputs,
                &move |x, weight, bias| layer.forward(x, weight, bias),
                &move |x, weight, bias| plain::convolve(layer.into(), x, weight, bias),
            );
        }
    }

    #[test]
    fn an_up_convolution_is_its_plain_form() {
        #[rustfmt::skip]
        let cases = [
            (ConvGeometry::new(4, 2, 1), 3, 37, 19, 5, 7),
            (ConvGeometry::new(4, 2, 1), 2, 64, 32, 8, 8),
            (ConvGeometry::new(4, 2, 1), 1, 32, 16, 4, 4),
            (ConvGeometry::new(4, 2, 1), 2, 64, 3, 8, 8),
            (ConvGeometry::new(4, 1, 0), 3, 35, 50, 1, 1),
            (ConvGeometry::new(4, 1, 0), 1, 35, 83, 1, 1),
            (ConvGeometry::new(1, 1, 0), 2, 24, 40, 4, 4),
            (ConvGeometry::new(5, 2, 2), 2, 24, 17, 6, 6), // the feature decoder's
        ];
        for (index, (window, batch, inputs, outputs, height, width)) in cases.into_iter().enumerate() {
            let layer = ConvTranspose2d { window, activation: ACTIVATIONS[index % 3] };
            compare(
                &format!("{layer:?} {inputs} to {outputs} at {height}x{width}"),
                [[batch, inputs, height, width], [inputs, outputs, window.kernel, window.kernel]],
                outputs,
                &move |x, weight, bias| layer.forward(x, weight, bias),
                &move |x, weight, bias| plain::convolve(layer.into(), x, weight, bias),
            );
        }
    }

    #[test]
    #[should_panic(expected = "does not take [1, 3, 8, 8] with weights [5, 4, 4, 4]")]
    fn weights_of_other_channels_are_refused() {
        let device = Device::flex();
        let layer =
            Conv2d { window: ConvGeometry::new(4, 2, 1), groups: 1, activation: Activation::Identity };
        layer.forward(Tensor::ones([1, 3, 8, 8], &device), Tensor::ones([5, 4, 4, 4], &device), None);
    }
}
