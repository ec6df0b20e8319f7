//! A context encoder for use rather than for learning.

use burn::tensor::Tensor;
use context_encoder_ops::{Prepared, Storage, tanh};

use crate::{Model, ModelConfig, bottleneck::PreparedBottleneck};

/// A [`Model`] laid out for inference: batch norm folded into the layers before it, weights arranged
/// once the way the device computes fastest.
///
/// Predicts what the model predicts in inference, within rounding, and has no gradients.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::ModelConfig;
///
/// let device = Device::flex();
/// let model = ModelConfig::default().with_size(64).with_width(4).init(&device)?;
/// let pictures = Tensor::<4>::ones([2, 3, 64, 64], &device);
/// let apart = model.prepare().predict(pictures.clone()) - model.predict(pictures);
/// assert!(apart.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Predictor {
    encoder: Vec<Prepared>,
    bottleneck: PreparedBottleneck,
    decoder: Vec<Prepared>,
    config: ModelConfig,
}

impl Predictor {
    pub(crate) fn new(
        encoder: Vec<Prepared>,
        bottleneck: PreparedBottleneck,
        decoder: Vec<Prepared>,
        config: &ModelConfig,
    ) -> Self {
        Self { encoder, bottleneck, decoder, config: config.clone() }
    }

    /// The configuration of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Hides what the masks hide and predicts, as [`Model::forward`].
    pub fn forward(&self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        self.predict(self.config.fill.hide(images, masks))
    }

    /// Predicts from pictures whose hidden part already holds the fill, as [`Model::predict`].
    ///
    /// # Panics
    /// When the pictures are not of the configured size.
    pub fn predict(&self, masked: Tensor<4>) -> Tensor<4> {
        self.config.expect_pictures(&masked);
        let through = |x, layers: &[Prepared]| layers.iter().fold(x, |x, layer| layer.forward(x));
        let map = through(masked.clone(), &self.encoder); // [batch, m, 4, 4]
        let map = self.bottleneck.forward(map); // [batch, m, 4, 4]
        let answer = tanh(through(map, &self.decoder)); // [batch, 3, predicted, predicted]
        self.config.fill.complete(|| self.config.predicted(masked), answer)
    }
}

impl Model {
    /// Lays the network out for inference.
    pub fn prepare(&self) -> Predictor {
        self.prepare_with(Storage::F32)
    }

    /// The same with the weights of a dense bottleneck kept in a [`Storage`]. They are most of what such a
    /// network has (262 of 284 MB with the preset `authors`), and what one picture waits for. All other
    /// weights stay in 32 bits: they are few and remain in the cache, so that nothing would be gained.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use context_encoder_model::{BottleneckConfig, ModelConfig, Storage};
    ///
    /// let device = Device::flex();
    /// let config = ModelConfig::default().with_size(64).with_width(4);
    /// let model = config.with_bottleneck(BottleneckConfig::Dense(50)).init(&device)?;
    /// let pictures = Tensor::<4>::ones([1, 3, 64, 64], &device);
    /// let half = model.prepare_with(Storage::Bf16).predict(pictures.clone());
    /// let apart = (half - model.predict(pictures)).abs().max().into_scalar::<f32>();
    /// assert!(0.0 < apart && apart < 0.01, "{apart}");
    /// # Ok::<(), context_encoder_model::ModelError>(())
    /// ```
    pub fn prepare_with(&self, storage: Storage) -> Predictor {
        let (encoder, bottleneck, decoder) = self.parts();
        Predictor::new(encoder.prepare(), bottleneck.prepare(storage), decoder.prepare(), self.config())
    }
}
