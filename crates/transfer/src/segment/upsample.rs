//! Learned enlargement that begins as bilinear interpolation.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use context_encoder_ops::{Activation, ConvGeometry, ConvLayer};

/// An up-convolution that enlarges maps by a factor: `n` positions become `factor (n - 1) + 1`, the old ones
/// exactly `factor` apart. Its window has `2 factor - 1` positions, so that it has a centre. At first each
/// label's map is interpolated bilinearly by itself.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_transfer::segment::Upsample;
///
/// let map = Tensor::<4>::from_floats([[[[0.0, 4.0], [8.0, 12.0]]]], &Device::flex());
/// let large = Upsample::new(1, 2, &Device::flex()).forward(map);
/// let values = large.into_data().try_to_vec::<f32>().expect("f32");
/// assert_eq!(values, [0.0, 2.0, 4.0, 4.0, 6.0, 8.0, 8.0, 10.0, 12.0]);
/// ```
#[derive(Module, Debug)]
pub struct Upsample {
    /// `[labels, labels, window, window]`.
    pub weight: Param<Tensor<4>>,
    #[module(skip)]
    factor: usize,
}

impl Upsample {
    /// For maps of so many labels.
    pub fn new(labels: usize, factor: usize, device: &Device) -> Self {
        let side = 2 * factor - 1;
        let tent = |at: usize| 1.0 - (at as f32 - (factor - 1) as f32).abs() / factor as f32;
        let mut values = vec![0.0; labels * labels * side * side];
        for label in 0..labels {
            let first = (label * labels + label) * side * side;
            for (at, value) in values[first..first + side * side].iter_mut().enumerate() {
                *value = tent(at / side) * tent(at % side);
            }
        }
        let weight = Param::from_data(TensorData::new(values, [labels, labels, side, side]), device);
        Self { weight, factor }
    }

    /// # Shapes
    /// - input: `[batch, labels, n, m]`
    /// - output: `[batch, labels, factor (n - 1) + 1, factor (m - 1) + 1]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let window = ConvGeometry::new(2 * self.factor - 1, self.factor, self.factor - 1);
        ConvLayer::conv_transpose2d(window, Activation::Identity).forward(x, self.weight.val(), None)
    }
}
