//! The encoder: a picture with a hole becomes a 4x4 map of features.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use context_encoder_ops::InferenceLayer;

use crate::{
    config::{ModelConfig, channels},
    parts::Parts,
    stage::{DownStage, down_stages},
};

/// Five stride-2 convolutions at size 128 (one more or less per doubling): 3-64-64-128-256-512.
///
/// Each is 4x4 with batch norm (not the first) and a leaky rectifier (paper, section 3.1 and
/// supplementary figure; DCGAN).
#[derive(Module, Debug)]
pub struct Encoder {
    stages: Vec<DownStage>,
}

impl Encoder {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        Self { stages: down_stages(&channels(config.encoder_stages(), config.width), device) }
    }

    /// Encodes pictures whose hidden part already holds the fill.
    ///
    /// # Shapes
    /// - input: `[batch, 3, size, size]` in `[-1, 1]`
    /// - output: `[batch, 8 width, 4, 4]`
    pub fn forward(&self, masked: Tensor<4>) -> Tensor<4> {
        self.forward_parts(masked, Parts::ONE)
    }

    pub(crate) fn forward_parts(&self, masked: Tensor<4>, parts: Parts) -> Tensor<4> {
        self.stages.iter().fold(masked, |x, stage| stage.forward(x, parts))
    }

    /// The stages for inference.
    pub(crate) fn prepare(&self) -> Vec<InferenceLayer> {
        self.stages.iter().map(DownStage::prepare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_ends_at_a_4x4_map() {
        let device = Device::flex();
        for size in ModelConfig::SIZES {
            let config = ModelConfig::default().with_size(size).with_width(2);
            let map = Encoder::new(&config, &device).forward(Tensor::zeros([1, 3, size, size], &device));
            assert_eq!(map.dims(), [1, 16, 4, 4]);
        }
    }
}
