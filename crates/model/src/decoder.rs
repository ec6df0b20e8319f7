//! The decoder: a 4x4 map of features becomes the hidden square, or the whole picture.

use burn::{
    module::Module,
    nn::conv::ConvTranspose2d,
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, InferenceLayer, tanh};

use crate::{
    config::{ModelConfig, channels},
    layer::{HALVING, Step},
    parts::Parts,
    stage::{UpStage, up_conv},
};

/// Up-convolutions 512-256-128-64 with batch norm and rectifier, then one to three colours and tanh
/// (paper, section 3.1 "Decoder"; DCGAN). One more 64-64 stage for each doubling of the prediction.
#[derive(Module, Debug)]
pub struct Decoder {
    stages: Vec<UpStage>,
    to_rgb: ConvTranspose2d,
}

impl Decoder {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        // A prediction of 32 pixels (the centre of 64) skips the outermost stage: three doublings.
        let mut plan = channels(config.decoder_stages(), config.width);
        plan.reverse(); // from the map outwards: 512, 256, 128, 64
        let stages = plan.windows(2).map(|pair| UpStage::new([pair[0], pair[1]], device)).collect();
        let innermost = plan.last().copied().unwrap_or(config.deepest_channels());
        Self { stages, to_rgb: up_conv([innermost, 3], HALVING, device) }
    }

    /// # Shapes
    /// - input: `[batch, 8 width, 4, 4]`
    /// - output: `[batch, 3, predicted, predicted]` in `(-1, 1)`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        self.forward_parts(map, Parts::ONE)
    }

    pub(crate) fn forward_parts(&self, map: Tensor<4>, parts: Parts) -> Tensor<4> {
        let x = self.stages.iter().fold(map, |x, stage| stage.forward(x, parts));
        tanh(self.to_rgb().forward(x))
    }

    /// The stages for inference; tanh follows the last.
    pub(crate) fn prepare(&self) -> Vec<InferenceLayer> {
        let last = self.to_rgb().prepare();
        self.stages.iter().map(UpStage::prepare).chain([last]).collect()
    }

    fn to_rgb(&self) -> Step<'_, ConvTranspose2d> {
        Step::new(&self.to_rgb, None, HALVING, Activation::Identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Prediction;

    #[test]
    fn prediction_has_its_stated_side() {
        let device = Device::flex();
        for size in ModelConfig::SIZES {
            for prediction in [Prediction::Centre, Prediction::Whole] {
                let config = ModelConfig::default().with_size(size).with_width(2).with_prediction(prediction);
                let side = config.predicted_side();
                let patch = Decoder::new(&config, &device).forward(Tensor::zeros([1, 16, 4, 4], &device));
                assert_eq!(patch.dims(), [1, 3, side, side]);
            }
        }
    }
}
