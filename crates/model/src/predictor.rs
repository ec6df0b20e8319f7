//! A context encoder for inference.

use burn::tensor::Tensor;
use context_encoder_ops::{InferenceLayer, Replayer, Storage, tanh};

use crate::{bottleneck::InferenceBottleneck, config::ModelConfig, model::Model, skips::Skips};

/// A [`Model`] for inference: batch norm folded into the layers before it, weights packed once the way the
/// device computes fastest.
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
/// let difference = model.predictor().predict(pictures.clone()) - model.predict(pictures);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Predictor {
    encoder: Vec<InferenceLayer>,
    bottleneck: InferenceBottleneck,
    decoder: Vec<InferenceLayer>,
    config: ModelConfig,
    /// On graphics cards, batches of one size again and again are one launch each.
    replayer: Replayer,
}

impl Predictor {
    /// The configuration of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Replaces hidden pixels by the fill and predicts, as [`Model::forward`].
    pub fn forward(&self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        self.predict(self.config.input(images, masks))
    }

    /// Predicts from what [`ModelConfig::input`] makes of pictures and masks, as [`Model::predict`].
    ///
    /// # Panics
    /// When the input is not of the configured size and channels.
    pub fn predict(&self, input: Tensor<4>) -> Tensor<4> {
        self.config.expect_input(&input);
        self.replayer.compute(input, |input| self.compute(input))
    }

    fn compute(&self, input: Tensor<4>) -> Tensor<4> {
        let mut skips = Skips::new(self.config.skips);
        let encoder = self.encoder.iter();
        let features = encoder.fold(input.clone(), |x, layer| skips.keep(layer.forward(x))); // [batch, 8 width, 4, 4]
        let features = skips.add(self.bottleneck.forward(features)); // [batch, 8 width, 4, 4]
        let output = self.decoder.iter().fold(features, |x, layer| skips.add(layer.forward(x)));
        self.config.prediction(input, tanh(output)) // [batch, 3, predicted, predicted]
    }
}

impl Model {
    /// The network for inference.
    pub fn predictor(&self) -> Predictor {
        self.predictor_with(Storage::F32)
    }

    /// The same with the weights of a dense bottleneck in a [`Storage`]. They are most of what such a network
    /// has (262 of 284 MB with the preset `authors`), and reading them takes most of the time for one
    /// picture. All other weights stay in 32 bits: they are few and remain in the cache, so that nothing
    /// would be gained.
    pub fn predictor_with(&self, storage: Storage) -> Predictor {
        Predictor {
            encoder: self.encoder.inference_layers(),
            bottleneck: self.bottleneck.for_inference(storage),
            decoder: self.decoder.inference_layers(),
            config: self.config().clone(),
            replayer: Replayer::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{Module, ModuleMapper, Param},
        tensor::{Device, TensorData},
    };
    use context_encoder_ops::with_reference;

    use super::*;
    use crate::{BottleneckConfig, Preset};

    /// Makes fresh weights as large as trained ones: fresh networks predict values near 0.
    struct ScaleWeights;

    impl ModuleMapper for ScaleWeights {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if D == 4 { param.map(|weight| weight.mul_scalar(6.0)) } else { param }
        }
    }

    fn difference(got: &Tensor<4>, expected: &Tensor<4>) -> f32 {
        (got.clone() - expected.clone()).abs().max().into_scalar()
    }

    #[test]
    fn bf16_weights_predict_nearly_the_same_as_f32_and_as_the_reference() {
        let device = Device::flex();
        let config = ModelConfig::default().with_size(64).with_width(8);
        let model = config.with_bottleneck(BottleneckConfig::Dense(50)).init(&device).expect("valid");
        let model = model.map(&mut ScaleWeights);
        for batch in [1, 3] {
            let pixels = (0..batch * 3 * 64 * 64).map(|i| (i * 37 % 199) as f32 / 99.0 - 1.0).collect();
            let pictures = TensorData::new::<f32, _>(pixels, [batch, 3, 64, 64]);
            let pictures = Tensor::<4>::from_data(pictures, &device);
            let exact = model.predict(pictures.clone());
            let largest: f32 = exact.clone().abs().max().into_scalar();
            assert!(largest > 0.05, "{largest}: too small to compare");
            assert!(difference(&model.predictor().predict(pictures.clone()), &exact) < 1e-5 * largest);
            let half = model.predictor_with(Storage::Bf16).predict(pictures.clone());
            let plain = with_reference(|| model.predictor_with(Storage::Bf16).predict(pictures));
            assert!(difference(&half, &plain) < 1e-5 * largest);
            // each weight is off by 2^-8 at most, which bounds terms (as `context-encoder-ops` tests), not
            // their sums: terms of both signs cancel in two layers, and the decoder is not linear
            let off = difference(&half, &exact) / largest;
            assert!(1e-5 < off && off < 1.0 / 32.0, "off by {off}");
        }
    }

    #[test]
    fn prepared_skips_and_mask_input_predict_as_the_model() {
        let device = Device::flex();
        let config = ModelConfig::preset(Preset::Photo).with_size(64).with_width(8);
        let model = config.init(&device).expect("valid").map(&mut ScaleWeights);
        for batch in [1, 3] {
            let pixels = (0..batch * 3 * 64 * 64).map(|i| (i * 37 % 199) as f32 / 99.0 - 1.0).collect();
            let pictures = TensorData::new::<f32, _>(pixels, [batch, 3, 64, 64]);
            let pictures = Tensor::<4>::from_data(pictures, &device);
            let masks = Tensor::zeros([batch, 1, 64, 64], &device);
            let masks = masks.slice_fill([0..batch, 0..1, 20..50, 8..40], 1.0);
            let expected = model.forward(pictures.clone(), masks.clone());
            let largest: f32 = expected.clone().abs().max().into_scalar();
            let got = model.predictor().forward(pictures, masks);
            assert!(difference(&got, &expected) < 1e-5 * largest);
        }
    }
}
