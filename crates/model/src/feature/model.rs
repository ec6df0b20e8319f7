//! The whole feature-learning network.

use burn::{
    module::Module,
    nn::{
        Dropout, DropoutConfig, Initializer,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::Activation;

use super::{FeatureDecoder, FeatureEncoder, FeatureModelConfig};
use crate::{
    ChannelWise,
    init::initialise_he,
    layer::{POINT, Step},
};

/// Probability that dropout silences a value of the channel-wise layer's output, in training.
const DROPOUT: f64 = 0.5;

/// AlexNet's convolutions, the channel-wise fully connected layer with dropout, a 1x1 convolution
/// that mixes channels, and five up-convolutions (paper, sections 3.1 and 5.2).
///
/// Trained by inpainting, its [`FeatureEncoder`] is what transfers to other tasks.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::FeatureModelConfig;
///
/// let device = Device::flex();
/// let model = FeatureModelConfig::alexnet().with_width(4).init(&device)?;
/// let picture = Tensor::zeros([1, 3, 227, 227], &device);
/// assert_eq!(model.features(picture.clone()).dims(), [1, 16, 6, 6]);
/// assert_eq!(model.predict(picture).dims(), [1, 3, 227, 227]);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct FeatureModel {
    encoder: FeatureEncoder,
    channel_wise: ChannelWise,
    dropout: Dropout,
    mix: Conv2d,
    decoder: FeatureDecoder,
}

impl FeatureModel {
    /// Builds a network of a configuration that has been validated.
    pub(crate) fn new(config: &FeatureModelConfig, seed: u64, device: &Device) -> Self {
        let [_, _, _, _, channels] = config.encoder_channels();
        let model = Self {
            encoder: FeatureEncoder::new(config, device),
            channel_wise: ChannelWise::new(channels, config.map_side(), device),
            dropout: DropoutConfig::new(DROPOUT).init(),
            mix: Conv2dConfig::new([channels, channels], [1, 1])
                .with_initializer(Initializer::Zeros)
                .init(device),
            decoder: FeatureDecoder::new(config, device),
        };
        initialise_he(model, seed)
    }

    /// The configuration that the network was built from.
    pub fn config(&self) -> &FeatureModelConfig {
        self.encoder.config()
    }

    /// What transfers to other tasks.
    pub fn encoder(&self) -> &FeatureEncoder {
        &self.encoder
    }

    /// What transfers to other tasks, without the rest.
    pub fn into_encoder(self) -> FeatureEncoder {
        self.encoder
    }

    /// Hides what the masks hide and predicts the whole picture.
    ///
    /// # Shapes (at size 227)
    /// - `images`: `[batch, 3, 227, 227]` in `[-1, 1]`
    /// - `masks`: `[batch, 1, 227, 227]`, 1 = hidden, 0 = visible
    /// - output: `[batch, 3, 227, 227]`, not bounded
    pub fn forward(&self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        self.predict(self.config().fill.apply_mask(images, masks))
    }

    /// Predicts from pictures whose hidden part already holds the fill. Dropout acts on autodiff
    /// devices only.
    ///
    /// # Shapes
    /// As for [`forward`](Self::forward).
    pub fn predict(&self, masked: Tensor<4>) -> Tensor<4> {
        self.predict_through(masked, |map| self.dropout.forward(map))
    }

    /// As [`predict`](Self::predict) in training, with dropout's choice given instead of drawn by the device, so that
    /// the same steps can be taken again.
    ///
    /// # Shapes
    /// - `masked`: as for [`predict`](Self::predict)
    /// - `kept`: `[batch, 4 width, n, n]` with `n` the [map's side](FeatureModelConfig::map_side), 1 = kept, 0 = silenced;
    ///   half of them kept
    pub fn predict_with_dropout(&self, masked: Tensor<4>, kept: Tensor<4>) -> Tensor<4> {
        // What is kept grows by what is silenced, so that sums stay as they are.
        self.predict_through(masked, |map| map * kept.mul_scalar(1.0 / (1.0 - DROPOUT)))
    }

    fn predict_through(&self, masked: Tensor<4>, drop: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let map = self.features(masked); // [batch, 256, 6, 6]
        let map = drop(self.channel_wise.forward(map));
        let map = Step::new(&self.mix, None, POINT, Activation::Relu).forward(map);
        self.decoder.forward(map) // [batch, 3, 227, 227]
    }

    /// The encoder's features, pool5.
    ///
    /// # Shapes (at size 227)
    /// - input: `[batch, 3, 227, 227]`
    /// - output: `[batch, 4 width, 6, 6]`: 9216 numbers a picture at width 64
    ///
    /// # Panics
    /// When the pictures are not of the configured size.
    pub fn features(&self, masked: Tensor<4>) -> Tensor<4> {
        let size = self.config().size;
        let [_, channels, height, width] = masked.dims();
        assert!(
            channels == 3 && height == size && width == size,
            "the feature network takes [batch, 3, {size}, {size}], not {:?}",
            masked.dims()
        );
        self.encoder.forward(masked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Pooling;

    #[test]
    fn parameter_counts_are_alexnets() {
        let device = Device::flex();
        let model = FeatureModelConfig::alexnet().init(&device).expect("valid");
        assert_eq!(model.channel_wise.num_params(), 331_776);
        // conv1..conv5 of the two-group AlexNet, biases included
        assert_eq!(model.encoder.num_params(), 34_944 + 307_456 + 885_120 + 663_936 + 442_624);
    }

    #[test]
    fn pool_free_is_learned_and_keeps_every_shape() {
        let device = Device::flex();
        let config = FeatureModelConfig::modern().with_width(4).with_pooling(Pooling::Convolution);
        let model = config.init(&device).expect("valid");
        let pooled = FeatureModelConfig::modern().with_width(4).init(&device).expect("valid");
        let [c1, c2, _, _, c5] = config.encoder_channels();
        let learned: usize = [c1, c2, c5].iter().map(|c| c * c * 9 + c).sum();
        assert_eq!(model.num_params() - pooled.num_params(), learned);
        let masks = Tensor::zeros([2, 1, 227, 227], &device);
        assert_eq!(model.forward(Tensor::ones([2, 3, 227, 227], &device), masks).dims(), [2, 3, 227, 227]);
    }

    #[test]
    fn every_size_is_predicted_whole() {
        let device = Device::flex();
        for (size, side) in [(99, 2), (131, 3), (163, 4)] {
            let config = FeatureModelConfig::alexnet().with_width(4).with_size(size);
            let model = config.init(&device).expect("valid");
            assert_eq!(model.channel_wise.num_params(), 16 * side * side * side * side);
            let picture = Tensor::ones([2, 3, size, size], &device);
            assert_eq!(model.features(picture.clone()).dims(), [2, 16, side, side]);
            assert_eq!(model.predict(picture).dims(), [2, 3, size, size]);
        }
    }

    #[test]
    fn what_is_kept_is_given_and_doubled() {
        let device = Device::flex();
        let model = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&device).expect("valid");
        let picture = Tensor::<4>::full([1, 3, 99, 99], 0.5, &device);
        let values = |x: Tensor<4>| x.into_data().try_to_vec::<f32>().expect("f32");
        let kept = |value: f32| {
            values(model.predict_with_dropout(picture.clone(), Tensor::full([1, 16, 2, 2], value, &device)))
        };
        assert_eq!(kept(0.5), values(model.predict(picture.clone()))); // half of each, doubled, is each
        assert!(kept(0.0).iter().all(|&value| value == 0.0)); // biases are 0 in a fresh network
        assert_ne!(kept(1.0), kept(0.5));
    }

    #[test]
    fn dropout_acts_in_training_only() {
        let config = FeatureModelConfig::alexnet().with_width(4);
        let twice = |device: &Device| {
            let model = config.init(device).expect("valid");
            let picture = Tensor::<4>::ones([1, 3, 227, 227], device);
            [(); 2].map(|()| model.predict(picture.clone()).into_data().try_to_vec::<f32>().expect("f32"))
        };
        let [first, second] = twice(&Device::flex());
        assert_eq!(first, second);
        let [first, second] = twice(&Device::flex().autodiff());
        assert_ne!(first, second);
    }
}
