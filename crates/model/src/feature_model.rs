//! The whole feature-learning network.

use burn::{
    module::Module,
    nn::{
        BatchNorm, Dropout, DropoutConfig,
        conv::{Conv2d, ConvTranspose2d},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, ConvGeometry, resize};

use crate::{
    channel_wise::ChannelWise,
    error::ModelError,
    feature_config::FeatureModelConfig,
    feature_encoder::FeatureEncoder,
    init::init_he,
    layer::{ConvBlock, POINT, batch_norm, conv_config, up_conv_config},
};

/// Probability that dropout zeroes a value of the channel-wise layer's output, in training.
const DROPOUT: f64 = 0.5;

/// AlexNet's convolutions, the channel-wise fully connected layer with dropout, a 1x1 convolution that mixes
/// channels, and five up-convolutions (paper, sections 3.1 and 5.2).
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
    mix_norm: Option<BatchNorm>,
    decoder: FeatureDecoder,
}

impl FeatureModelConfig {
    /// Builds the network with fresh weights drawn from seed 0, the same on every device.
    ///
    /// # Errors
    /// [`ModelError::Config`] when [`validate`](Self::validate) refuses a field.
    pub fn init(&self, device: &Device) -> Result<FeatureModel, ModelError> {
        self.init_seeded(0, device)
    }

    /// Builds the network with fresh weights drawn from `seed`: He's normal initialization for convolutions
    /// and up-convolutions, N(0, 1/n^2) for the channel-wise layer (which keeps the scale of a map of n x n
    /// positions), biases 0.
    ///
    /// # Errors
    /// [`ModelError::Config`] when [`validate`](Self::validate) refuses a field.
    pub fn init_seeded(&self, seed: u64, device: &Device) -> Result<FeatureModel, ModelError> {
        self.validate()?;
        let [_, _, _, _, channels] = self.encoder_channels();
        let model = FeatureModel {
            encoder: FeatureEncoder::new(self, device),
            channel_wise: ChannelWise::new(channels, self.map_side(), device),
            dropout: DropoutConfig::new(DROPOUT).init(),
            mix: conv_config([channels, channels], POINT).init(device),
            mix_norm: self.batch_norm.then(|| batch_norm(channels, device)),
            decoder: FeatureDecoder::new(self, device),
        };
        Ok(init_he(model, seed))
    }
}

impl FeatureModel {
    /// The configuration that the network was built from.
    pub fn config(&self) -> &FeatureModelConfig {
        self.encoder.config()
    }

    /// The part that transfers to other tasks.
    pub fn encoder(&self) -> &FeatureEncoder {
        &self.encoder
    }

    /// The part that transfers to other tasks, without the rest, and [without batch
    /// norm](FeatureEncoder::without_batch_norm).
    pub fn into_encoder(self) -> FeatureEncoder {
        self.encoder.without_batch_norm()
    }

    /// Replaces hidden pixels by the fill and predicts the whole picture.
    ///
    /// # Shapes (at size 227)
    /// - `images`: `[batch, 3, 227, 227]` in `[-1, 1]`
    /// - `masks`: `[batch, 1, 227, 227]`, 1 = hidden, 0 = visible
    /// - output: `[batch, 3, 227, 227]`, not bounded
    pub fn forward(&self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        self.predict(self.config().fill.apply_mask(images, masks))
    }

    /// Predicts from pictures whose hidden part already holds the fill. Dropout acts on autodiff devices
    /// only.
    ///
    /// Shapes as for [`forward`](Self::forward).
    pub fn predict(&self, masked: Tensor<4>) -> Tensor<4> {
        self.predict_through(masked, |map| self.dropout.forward(map))
    }

    /// As [`predict`](Self::predict) in training, with dropout's mask given instead of drawn by the device,
    /// so that a run can be repeated bit for bit.
    ///
    /// # Shapes
    /// - `masked`: as for [`predict`](Self::predict)
    /// - `keep_mask`: `[batch, 4 width, n, n]` with `n` the [map's side](FeatureModelConfig::map_side), 1 =
    ///   kept, 0 = dropped; half of them kept
    pub fn predict_with_dropout(&self, masked: Tensor<4>, keep_mask: Tensor<4>) -> Tensor<4> {
        // Inverted dropout: what is kept is scaled up, so that expected sums stay as they are.
        self.predict_through(masked, |map| map * keep_mask.mul_scalar(1.0 / (1.0 - DROPOUT)))
    }

    /// Shapes at width 64 and size 227.
    fn predict_through(&self, masked: Tensor<4>, dropout: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let map = self.features(masked); // [batch, 256, 6, 6]
        let map = dropout(self.channel_wise.forward(map)); // [batch, 256, 6, 6]
        let map = ConvBlock::new(&self.mix, self.mix_norm.as_ref(), POINT, Activation::Relu).forward(map); // [batch, 256, 6, 6]
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

/// Doubles a side, less one pixel.
const DOUBLING: ConvGeometry = ConvGeometry::new(5, 2, 2);

/// Five up-convolutions 5x5 of stride 2 and padding 2, each turning a side n into 2n - 1 (6, 11, 21, 41, 81,
/// 161), with ReLU after all but the last; then bilinear to the pictures' side, 227 (paper, section 3.1
/// "Decoder").
#[derive(Module, Debug)]
struct FeatureDecoder {
    layers: Vec<ConvTranspose2d>,
    /// After all but the last; none without batch norm.
    norms: Vec<BatchNorm>,
    /// The pictures' side.
    #[module(skip)]
    size: usize,
}

impl FeatureDecoder {
    fn new(config: &FeatureModelConfig, device: &Device) -> Self {
        let [_, _, _, _, deepest] = config.encoder_channels();
        let outputs = config.decoder_channels();
        let inputs = std::iter::once(deepest).chain(outputs);
        let layers = inputs
            .zip(outputs)
            .map(|(input, output)| up_conv_config([input, output], DOUBLING).init(device))
            .collect();
        let normalized = if config.batch_norm { &outputs[..outputs.len() - 1] } else { &[] };
        let norms = normalized.iter().map(|&channels| batch_norm(channels, device)).collect();
        Self { layers, norms, size: config.size }
    }

    /// # Shapes (at width 64 and size 227)
    /// - input: `[batch, 256, 6, 6]`
    /// - output: `[batch, 3, 227, 227]`, not bounded
    fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let last = self.layers.len() - 1;
        let picture = self.layers.iter().enumerate().fold(map, |x, (index, layer)| {
            let activation = if index == last { Activation::Identity } else { Activation::Relu };
            ConvBlock::new(layer, self.norms.get(index), DOUBLING, activation).forward(x)
        }); // [batch, 3, 161, 161]
        resize(picture, self.size) // [batch, 3, 227, 227]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pooling;

    #[test]
    fn parameter_counts_are_alexnets() {
        let device = Device::flex();
        let model = FeatureModelConfig::alexnet().init(&device).expect("valid");
        assert_eq!(model.channel_wise.num_params(), 331_776);
        // conv1..conv5 of the two-group AlexNet, biases included
        assert_eq!(model.encoder.num_params(), 34_944 + 307_456 + 885_120 + 663_936 + 442_624);
    }

    #[test]
    fn pool_free_networks_have_more_weights_and_the_same_shapes() {
        let device = Device::flex();
        let pooled = FeatureModelConfig::modern().with_width(4);
        let config = FeatureModelConfig { pooling: Pooling::Convolution, ..pooled.clone() };
        let [model, pooled] = [&config, &pooled].map(|config| config.init(&device).expect("valid"));
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
    fn a_given_dropout_mask_is_doubled() {
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
