//! The reconstruction loss: how far a prediction is from the truth.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The distance of two pixel values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Distance {
    /// Squared difference, the paper's choice.
    #[default]
    L2,
    /// Absolute difference.
    L1,
}

/// What a reconstruction loss is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Average {
    /// The number of hidden pixels times channels.
    #[default]
    Region,
    /// The number of values in the prediction, as the authors' code does it.
    Patch,
}

/// Which pixels of a prediction enter the loss. Masks have 1 = hidden, 0 = visible.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one a step; its numbers are on the heap either way")]
pub enum LossMask {
    /// Hidden pixels only: `[batch, 1, height, width]`. For predictions of the whole picture.
    Hidden(Tensor<4>),
    /// Hidden pixels of one rank's part of a batch in data-parallel training, where all ranks together are to
    /// be divided by what all of them hide.
    HiddenShard {
        /// `[batch, 1, height, width]` of this rank.
        masks: Tensor<4>,
        /// Mean over the ranks of how many pixels each hides, `[1]`: the mean of the ranks' losses is then
        /// the whole batch's.
        mean_hidden: Tensor<1>,
    },
    /// Every pixel of the prediction; those that were visible, the band in which prediction and context
    /// overlap, weigh more. For predictions of the central square (paper, section 4).
    Overlapping(Tensor<4>),
}

/// Masked reconstruction loss: `sum(w M d(x, F)) / sum(M)` over pictures, channels and pixels, with `M` the
/// [`LossMask`], `d` the [`Distance`] and `w` the weight of the overlap band.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `distance` | squared or absolute | L2 |
/// | `average` | divide by hidden values (`region`), or by all (`patch`) | region |
/// | `overlap_weight` | weight of the overlap band, at least 0 | 10 |
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_loss::{Reconstruction, LossMask};
///
/// let device = Device::flex();
/// let prediction = Tensor::<4>::zeros([1, 3, 2, 2], &device);
/// let truth = Tensor::<4>::full([1, 3, 2, 2], 0.5, &device);
/// let hidden = Tensor::<4>::from_floats([[[[1.0, 0.0], [0.0, 0.0]]]], &device);
///
/// let loss = Reconstruction::default();
/// let masked = loss.forward(prediction.clone(), truth.clone(), LossMask::Hidden(hidden.clone()));
/// assert_eq!(masked.into_scalar::<f32>(), 0.25);
/// let overlapping = loss.forward(prediction, truth, LossMask::Overlapping(hidden));
/// assert_eq!(overlapping.into_scalar::<f32>(), 0.25 * (1.0 + 3.0 * 10.0) / 4.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reconstruction {
    /// Squared or absolute difference.
    pub distance: Distance,
    /// What the sum is divided by.
    pub average: Average,
    /// Weight of visible pixels in [`LossMask::Overlapping`]; hidden ones weigh 1.
    pub overlap_weight: f64,
}

impl Default for Reconstruction {
    fn default() -> Self {
        Self { distance: Distance::L2, average: Average::Region, overlap_weight: 10.0 }
    }
}

impl Reconstruction {
    /// # Shapes
    /// - `prediction`, `truth`: `[batch, channels, height, width]`
    /// - `loss_mask`: `[batch, 1, height, width]`
    /// - output: `[1]`, at least 0
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward(&self, prediction: Tensor<4>, truth: Tensor<4>, loss_mask: LossMask) -> Tensor<1> {
        let [batch, channels, height, width] = prediction.dims();
        let difference = prediction - truth;
        let distance = match self.distance {
            Distance::L2 => difference.square(),
            Distance::L1 => difference.abs(),
        };
        let values = (batch * channels * height * width) as f64;
        let (weights, hidden) = match loss_mask {
            LossMask::Hidden(masks) => (masks.clone(), Some(masks.sum())),
            LossMask::HiddenShard { masks, mean_hidden } => (masks, Some(mean_hidden)),
            // 1 where hidden, the overlap's weight where visible
            LossMask::Overlapping(masks) => {
                let weights = masks.mul_scalar(1.0 - self.overlap_weight).add_scalar(self.overlap_weight);
                (weights, None) // every pixel enters the mean
            }
        };
        let total = (distance * weights).sum();
        match (self.average, hidden) {
            (Average::Region, Some(hidden)) => total / hidden.mul_scalar(channels as f64),
            (Average::Region, None) | (Average::Patch, _) => total.div_scalar(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor(values: &[f32], shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    }

    /// One picture of one channel and 2x2 pixels: differences 1, -2, 3, -4; the last two hidden.
    fn loss(config: Reconstruction, loss_mask: fn(Tensor<4>) -> LossMask) -> f32 {
        let device = Device::flex();
        let prediction = tensor(&[1.0, -2.0, 3.0, -4.0], [1, 1, 2, 2], &device);
        let truth = tensor(&[0.0; 4], [1, 1, 2, 2], &device);
        let hidden = tensor(&[0.0, 0.0, 1.0, 1.0], [1, 1, 2, 2], &device);
        config.forward(prediction, truth, loss_mask(hidden)).into_scalar()
    }

    #[test]
    fn hand_worked_values() {
        let l2 = Reconstruction::default();
        let l1 = Reconstruction { distance: Distance::L1, ..l2 };
        let patch = Reconstruction { average: Average::Patch, ..l2 };
        assert_eq!(loss(l2, LossMask::Hidden), (9.0 + 16.0) / 2.0);
        assert_eq!(loss(l1, LossMask::Hidden), (3.0 + 4.0) / 2.0);
        assert_eq!(loss(patch, LossMask::Hidden), (9.0 + 16.0) / 4.0);
        assert_eq!(loss(l2, LossMask::Overlapping), (10.0 * (1.0 + 4.0) + 9.0 + 16.0) / 4.0);
        assert_eq!(loss(patch, LossMask::Overlapping), loss(l2, LossMask::Overlapping));
        let even = Reconstruction { overlap_weight: 1.0, ..l2 };
        assert_eq!(loss(even, LossMask::Overlapping), (1.0 + 4.0 + 9.0 + 16.0) / 4.0);
    }

    #[test]
    fn masks_of_different_area_are_averaged_over_all_hidden_pixels() {
        let device = Device::flex();
        let prediction = tensor(&[1.0, 1.0, 2.0, 2.0], [2, 1, 1, 2], &device);
        let truth = tensor(&[0.0; 4], [2, 1, 1, 2], &device);
        let hidden = tensor(&[1.0, 0.0, 1.0, 1.0], [2, 1, 1, 2], &device);
        let loss = Reconstruction::default().forward(prediction, truth, LossMask::Hidden(hidden));
        assert_eq!(loss.into_scalar::<f32>(), (1.0 + 4.0 + 4.0) / 3.0);
    }

    #[test]
    fn ranks_that_hide_differently_average_to_the_whole_batchs_loss() {
        let device = Device::flex();
        let ranks = [([1.0, 1.0], [1.0, 0.0]), ([2.0, 3.0], [1.0, 1.0])];
        let mean = Tensor::<1>::from_floats([1.5], &device); // of 1 and 2 hidden pixels
        let losses = ranks.map(|(prediction, hidden)| {
            let [prediction, masks] =
                [prediction, hidden].map(|values| tensor(&values, [1, 1, 1, 2], &device));
            let truth = prediction.zeros_like();
            let loss_mask = LossMask::HiddenShard { masks, mean_hidden: mean.clone() };
            Reconstruction::default().forward(prediction, truth, loss_mask).into_scalar::<f32>()
        });
        assert!(((losses[0] + losses[1]) / 2.0 - (1.0 + 4.0 + 9.0) / 3.0).abs() < 1e-6, "{losses:?}");
    }

    #[test]
    fn gradients_match_finite_differences() {
        let device = Device::flex().autodiff();
        let shape = [2, 3, 2, 2];
        let value = |i: usize| ((i * 29 % 23) as f32 - 11.0) / 8.0;
        let values: Vec<f32> = (0..24).map(value).collect();
        let truth: Vec<f32> = (0..24).map(|i| value(i + 7)).collect();
        let hidden = tensor(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0], [2, 1, 2, 2], &device);
        let mut cases = Vec::new();
        for distance in [Distance::L2, Distance::L1] {
            for average in [Average::Region, Average::Patch] {
                let config = Reconstruction { distance, average, ..Reconstruction::default() };
                cases.push((config, LossMask::Hidden(hidden.clone())));
                cases.push((config, LossMask::Overlapping(hidden.clone())));
            }
        }
        for (config, loss_mask) in cases {
            let loss = |values: &[f32]| {
                let prediction = tensor(values, shape, &device).require_grad();
                let truth = tensor(&truth, shape, &device);
                (prediction.clone(), config.forward(prediction, truth, loss_mask.clone()))
            };
            let (prediction, total) = loss(&values);
            let gradient = prediction.grad(&total.backward()).expect("tracked").into_data();
            for (i, gradient) in gradient.try_to_vec::<f32>().expect("f32").into_iter().enumerate() {
                let step = 1e-2; // smaller than every difference, so that |d| has no kink in between
                let at = |shift: f32| {
                    let mut moved = values.clone();
                    moved[i] += shift;
                    loss(&moved).1.into_scalar::<f32>()
                };
                let expected = (at(step) - at(-step)) / (2.0 * step);
                let difference = (gradient - expected).abs();
                assert!(
                    difference < 1e-2 * expected.abs().max(0.1),
                    "{config:?}, value {i}: {gradient} is not {expected}"
                );
            }
        }
    }
}
