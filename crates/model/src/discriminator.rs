//! The discriminator: is this patch a photograph's, or the network's?

use burn::{
    module::Module,
    nn::conv::Conv2d,
    tensor::{Device, Tensor},
};
use context_encoder_ops::Activation;

use crate::{
    ModelConfig, ModelError,
    config::{channels, stages},
    init::initialise,
    layer::{Step, WHOLE_MAP},
    stage::{DownStage, conv, down_stages},
};

/// Scores patches: one logit each, positive for "real" (paper, section 3.2 "Adversarial loss").
///
/// Convolutions 3-64-128-256-512 at side 64, one more 64-64 stage per doubling of the side, then a
/// 4x4 convolution to one logit. There is no sigmoid: losses work on logits, which stay stable where
/// probabilities saturate.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::{Discriminator, ModelConfig, parameter_count};
///
/// let device = Device::flex();
/// let critic = Discriminator::new(&ModelConfig::default(), 0, &device)?;
/// assert_eq!(parameter_count(&critic), 2_765_568);
/// assert_eq!(critic.forward(Tensor::zeros([2, 3, 64, 64], &device)).dims(), [2]);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct Discriminator {
    stages: Vec<DownStage>,
    to_logit: Conv2d,
}

/// Keeps the discriminator's random stream apart from the generator's of the same seed.
const STREAM: u64 = 1;

impl Discriminator {
    /// The discriminator that belongs to a model of this configuration: it sees the whole
    /// prediction. Weights are drawn from `seed`, the same on every device.
    ///
    /// # Errors
    /// [`ModelError::Config`] when the configuration is not one that can be built.
    pub fn new(config: &ModelConfig, seed: u64, device: &Device) -> Result<Self, ModelError> {
        config.validate()?;
        let plan = channels(stages(config.predicted_side()), config.width);
        let critic = Self {
            stages: down_stages(&plan, device),
            to_logit: conv([config.deepest_channels(), 1], WHOLE_MAP, device),
        };
        Ok(initialise(critic, seed, STREAM))
    }

    /// # Shapes
    /// - input: `[batch, 3, predicted, predicted]` in `[-1, 1]`
    /// - output: `[batch]` logits
    pub fn forward(&self, patches: Tensor<4>) -> Tensor<1> {
        let map = self.stages.iter().fold(patches, |x, stage| stage.forward(x)); // [batch, 8 width, 4, 4]
        let logits = Step::new(&self.to_logit, None, WHOLE_MAP, Activation::Identity).forward(map); // [batch, 1, 1, 1]
        let [batch, _, _, _] = logits.dims();
        logits.reshape([batch])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Prediction;

    #[test]
    fn one_logit_for_each_patch_of_every_side() {
        let device = Device::flex();
        for (size, prediction) in
            [(64, Prediction::Centre), (128, Prediction::Whole), (256, Prediction::Whole)]
        {
            let config = ModelConfig::default().with_size(size).with_width(2).with_prediction(prediction);
            let side = config.predicted_side();
            let critic = Discriminator::new(&config, 3, &device).expect("valid");
            let logits = critic.forward(Tensor::ones([2, 3, side, side], &device));
            assert_eq!(logits.dims(), [2]);
        }
    }
}
