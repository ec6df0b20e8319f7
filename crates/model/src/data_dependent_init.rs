//! Data-dependent initialization: weights scaled to the pictures they will see.

use burn::{nn::conv::Conv2d, tensor::Tensor};
use context_encoder_ops::{Activation, ConvGeometry};

use crate::{
    feature_encoder::FeatureEncoder,
    layer::{ConvBlock, replace},
};

/// A channel whose deviation is less than this part of its layer's largest is scaled as if it had that much,
/// so that an almost constant channel does not become noise.
const MIN_RELATIVE_DEVIATION: f32 = 1e-3;

/// A layer all of whose channels have less, as for pictures of one color, stays as it is.
const MIN_LAYER_DEVIATION: f32 = 1e-5;

impl FeatureEncoder {
    /// Shifts and scales every channel of every convolution so that what it computes for these pictures has
    /// mean 0 and deviation 1 before its ReLU, layer after layer (Krähenbühl et al., "Data-dependent
    /// Initializations of Convolutional Neural Networks", ICLR 2016).
    ///
    /// The direction of each filter stays; scale and sparsity of the activations become alike. Pretraining
    /// leaves activations a tenth as large as those of random weights, and sparse, and a head that learns for
    /// a short time on top of them does not make up for it. Other pictures from the same source, some tens of
    /// them, give nearly the same weights.
    ///
    /// # Shapes
    /// - input: `[batch, 3, side, side]` in `[-1, 1]`, sides as for [`forward`](Self::forward)
    ///
    /// # Panics
    /// As for [`forward`](Self::forward).
    ///
    /// ```
    /// use burn::tensor::{Device, Distribution, Tensor};
    /// use context_encoder_model::{FeatureLayer, FeatureModelConfig};
    ///
    /// let device = Device::flex();
    /// let encoder = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&device)?.into_encoder();
    /// let pictures = Tensor::random([8, 3, 99, 99], Distribution::Uniform(-1.0, 1.0), &device);
    /// let map = encoder.data_dependent_init(pictures.clone()).map_at(pictures, FeatureLayer::Conv5);
    /// // Half of a normal distribution lies above ReLU's zero: mean square 0.5.
    /// let square: f32 = map.square().mean().into_scalar();
    /// assert!((0.4..0.6).contains(&square), "{square}");
    /// # Ok::<(), context_encoder_model::ModelError>(())
    /// ```
    #[must_use]
    pub fn data_dependent_init(self, pictures: Tensor<4>) -> Self {
        Self::expect_pictures(&pictures);
        let mut encoder = self.without_batch_norm();
        encoder.visit_convolutions(pictures, normalize_outputs);
        encoder
    }
}

/// Gives every channel of a convolution's outputs for `x` mean 0 and deviation 1.
fn normalize_outputs(convolution: &mut Conv2d, geometry: ConvGeometry, x: Tensor<4>) {
    let outputs =
        ConvBlock::<Conv2d>::new(convolution, None, geometry, Activation::Identity).forward(x).detach();
    let [_, channels, _, _] = outputs.dims();
    let outputs = outputs.swap_dims(0, 1).flatten::<2>(1, 3); // [channels, batch * positions]
    let mean = outputs.clone().mean_dim(1); // [channels, 1]
    let deviation = (outputs - mean.clone()).square().mean_dim(1).sqrt(); // [channels, 1]
    let largest: f32 = deviation.clone().max().into_scalar();
    if largest < MIN_LAYER_DEVIATION {
        return;
    }
    let deviation = deviation.clamp_min(largest * MIN_RELATIVE_DEVIATION);
    let weight = convolution.weight.val() / deviation.clone().reshape([channels, 1, 1, 1]);
    replace(&mut convolution.weight, weight);
    if let Some(bias) = &mut convolution.bias {
        let shifted = (bias.val() - mean.squeeze_dim(1)) / deviation.squeeze_dim(1);
        replace(bias, shifted);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::{FeatureLayer, FeatureModelConfig, Pooling};

    fn pictures(device: &Device) -> Tensor<4> {
        let values = (0..2 * 3 * 99 * 99_u64).map(|i| (i * i % 1009) as f32 / 504.0 - 1.0).collect();
        Tensor::from_data(TensorData::new::<f32, _>(values, [2, 3, 99, 99]), device)
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("f32")
    }

    fn encoder(pooling: Pooling, device: &Device) -> FeatureEncoder {
        let config = FeatureModelConfig { pooling, ..FeatureModelConfig::alexnet() };
        config.with_width(4).with_size(99).init(device).expect("valid").into_encoder()
    }

    /// Mean and deviation of each channel before ReLU, layer after layer.
    fn moments(mut encoder: FeatureEncoder, pictures: Tensor<4>) -> Vec<(f32, f32)> {
        let mut all = Vec::new();
        encoder.visit_convolutions(pictures, |convolution, geometry, x| {
            let block = ConvBlock::<Conv2d>::new(convolution, None, geometry, Activation::Identity);
            let outputs = block.forward(x).swap_dims(0, 1).flatten::<2>(1, 3);
            let [_, count] = outputs.dims();
            for row in values(outputs).chunks_exact(count) {
                let mean = row.iter().sum::<f32>() / count as f32;
                let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count as f32;
                all.push((mean, variance.sqrt()));
            }
        });
        all
    }

    #[test]
    fn every_channel_has_mean_0_and_deviation_1() {
        for pooling in [Pooling::Max, Pooling::Convolution] {
            let encoder = encoder(pooling, &Device::flex());
            let pictures = pictures(&Device::flex());
            let off = |&(mean, deviation): &(f32, f32)| mean.abs() > 1e-4 || (deviation - 1.0).abs() > 1e-3;
            assert!(moments(encoder.clone(), pictures.clone()).iter().filter(|&m| off(m)).count() > 10);
            let initialized = moments(encoder.data_dependent_init(pictures.clone()), pictures);
            assert!(!initialized.iter().any(off), "{pooling:?}: {initialized:?}");
        }
    }

    #[test]
    fn filters_keep_their_direction() {
        let device = Device::flex();
        let encoder = encoder(Pooling::Max, &device);
        let mut initialized = encoder.clone().data_dependent_init(pictures(&device));
        let [before, after] = [encoder, initialized.clone()].map(|mut encoder| {
            let (convolution, _) = encoder.convolution_mut(FeatureLayer::Pool1).expect("conv1");
            values(convolution.weight.val())
        });
        for (before, after) in before.chunks_exact(3 * 11 * 11).zip(after.chunks_exact(3 * 11 * 11)) {
            let factor = after[0] / before[0];
            assert!(factor > 0.0);
            assert!(before.iter().zip(after).all(|(b, a)| (b * factor - a).abs() < 1e-4 * factor));
        }
        // Idempotent.
        let again = initialized.clone().data_dependent_init(pictures(&device));
        let map = |encoder: FeatureEncoder| values(encoder.forward(pictures(&device)));
        let [once, twice] = [map(initialized.clone()), map(again)];
        assert!(once.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-3), "{once:?} {twice:?}");
        assert!(initialized.convolution_mut(FeatureLayer::Pool5).is_none());
    }

    #[test]
    fn pictures_of_one_color_change_little() {
        let device = Device::flex();
        let encoder = encoder(Pooling::Max, &device);
        let plain = Tensor::ones([2, 3, 99, 99], &device).mul_scalar(0.3);
        let map = |encoder: &FeatureEncoder| values(encoder.forward(pictures(&device)));
        let largest = |values: Vec<f32>| values.into_iter().map(f32::abs).fold(0.0, f32::max);
        let initialized = encoder.clone().data_dependent_init(plain);
        let (before, after) = (largest(map(&encoder)), largest(map(&initialized)));
        // Borders alone differ from their surroundings, in all layers but the first.
        assert!(after.is_finite() && after < 1e4 * before, "{before} {after}");
    }

    #[test]
    fn a_zero_channel_stays_finite_and_the_rest_gets_gradients() {
        let device = Device::flex().autodiff();
        let mut encoder = encoder(Pooling::Max, &device);
        let (convolution, _) = encoder.convolution_mut(FeatureLayer::Conv3).expect("conv3");
        let weight = convolution.weight.val();
        let [channels, inputs, height, width] = weight.dims();
        let zero = Tensor::cat(
            vec![Tensor::zeros([1, inputs, height, width], &device), weight.narrow(0, 1, channels - 1)],
            0,
        );
        replace(&mut convolution.weight, zero);
        let mut encoder = encoder.data_dependent_init(pictures(&device));
        let map = encoder.forward(pictures(&device));
        assert!(values(map.clone()).iter().all(|value| value.is_finite()));
        let gradients = map.sum().backward();
        let (convolution, _) = encoder.convolution_mut(FeatureLayer::Conv3).expect("conv3");
        let gradient = convolution.weight.val().grad(&gradients).expect("trained");
        assert!(values(gradient).iter().any(|&value| value != 0.0));
    }
}
