//! What replaces hidden pixels before the network sees a picture.

use burn::tensor::Tensor;
use context_encoder_ops::{self as ops, smooth_fill};
use serde::{Deserialize, Serialize};

/// The ImageNet mean color, red, green, blue, in 8-bit units (paper, section 4.1: "a constant mean value").
const IMAGENET_MEAN: [f32; 3] = [123.0, 117.0, 104.0];

/// What the authors' published code writes instead: the same numbers, scrambled by a blue-green-red
/// convention.
const AUTHORS_MEAN: [f32; 3] = [117.0, 104.0, 123.0];

/// Largest correction of a smooth fill, in the network's range: from the darkest value to the lightest.
pub(crate) const MAX_CORRECTION: f32 = 2.0;

/// What replaces hidden pixels before the network sees a picture, and what its output is added to.
///
/// The fill is part of a trained network: weights trained with one lose accuracy under another, so it travels
/// inside the weights file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InitialFill {
    /// The ImageNet mean, red 123, green 117, blue 104 (the paper's words).
    #[default]
    Mean,
    /// Red 117, green 104, blue 123, as the authors' code does it. For weights that were trained so.
    Authors,
    /// A [smooth surface](context_encoder_ops::smooth_fill) through the visible pixels. The network then
    /// predicts a correction: its bottleneck need not carry what the hole's border says already.
    Smooth,
}

impl InitialFill {
    /// The color of a hole, red, green and blue in the network's range `[-1, 1]`; for
    /// [`Smooth`](Self::Smooth), which has none, the mean, for drawings.
    ///
    /// ```
    /// use context_encoder_model::InitialFill;
    /// let [red, _, blue] = InitialFill::Mean.rgb();
    /// assert!((red - (2.0 * 123.0 / 255.0 - 1.0)).abs() < 1e-6);
    /// assert!(red > blue);
    /// ```
    pub fn rgb(self) -> [f32; 3] {
        let bytes = match self {
            Self::Mean | Self::Smooth => IMAGENET_MEAN,
            Self::Authors => AUTHORS_MEAN,
        };
        bytes.map(|value| 2.0 * value / 255.0 - 1.0)
    }

    /// Replaces the hidden pixels of a batch: `(1 - M) x + M fill`. No gradient goes through a smooth fill.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, height, width]` in `[-1, 1]`
    /// - `masks`: `[batch, 1, height, width]`, 1 = hidden, 0 = visible
    /// - output: `[batch, 3, height, width]`
    pub fn apply_mask(self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Mean | Self::Authors => ops::apply_mask(images, masks, self.rgb()),
            Self::Smooth => smooth_fill(images, masks),
        }
    }

    /// The prediction from the last layer's output in `(-1, 1)`: the output itself, or `fill + 2 output`.
    ///
    /// # Shapes
    /// - `fill`: the predicted part of what [`apply_mask`](Self::apply_mask) returned; `output`: of the same
    ///   shape
    pub(crate) fn prediction(self, fill: impl FnOnce() -> Tensor<4>, output: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Mean | Self::Authors => output,
            Self::Smooth => fill() + output.mul_scalar(MAX_CORRECTION),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn hidden_pixels_take_the_fill_and_visible_ones_stay() {
        let device = Device::flex();
        let images = Tensor::<4>::from_data(
            TensorData::new(vec![0.5_f32, -0.25, 0.5, -0.25, 0.5, -0.25], [1, 3, 1, 2]),
            &device,
        );
        let masks = Tensor::<4>::from_data(TensorData::new(vec![0.0_f32, 1.0], [1, 1, 1, 2]), &device);
        let seen: Vec<f32> =
            InitialFill::Authors.apply_mask(images, masks).into_data().try_to_vec().expect("f32");
        let [red, green, blue] = InitialFill::Authors.rgb();
        assert_eq!(seen, [0.5, red, 0.5, green, 0.5, blue]);
    }

    #[test]
    fn a_smooth_fill_is_corrected_and_a_color_replaced() {
        let device = Device::flex();
        let output = Tensor::<4>::full([1, 3, 2, 2], 0.25, &device);
        let fill = || Tensor::<4>::full([1, 3, 2, 2], -0.5, &device);
        let predicted = |kind: InitialFill| kind.prediction(fill, output.clone()).max().into_scalar::<f32>();
        assert_eq!(predicted(InitialFill::Mean), 0.25);
        assert_eq!(predicted(InitialFill::Smooth), 0.0);
    }
}
