//! The encoder: a picture with a hole becomes a 4x4 map of features.

use burn::{
    module::Module,
    nn::{BatchNorm, conv::Conv2d},
    tensor::{Device, Tensor},
};
use context_encoder_ops::{InferenceLayer, Storage};

use crate::{
    config::{ModelConfig, channels},
    layer::{ConvBlock, GhostBatches, HALVING, LEAKY, batch_norm, conv},
    skips::Skips,
};

/// Five stride-2 convolutions at size 128 (one more or less per doubling): 3-64-64-128-256-512; four input
/// channels where the mask is one.
///
/// Each is 4x4 with batch norm (not the first) and leaky ReLU (paper, section 3.1 and supplementary figure;
/// DCGAN).
#[derive(Module, Debug)]
pub(crate) struct Encoder {
    stages: Vec<DownStage>,
}

impl Encoder {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        let channels = channels(config.encoder_stages(), config.width);
        Self { stages: down_stages(config.input_channels(), &channels, device) }
    }

    /// Encodes what [`ModelConfig::input`] makes of pictures and masks; the map after each stage goes to
    /// `skips` too.
    ///
    /// # Shapes
    /// - input: `[batch, 3 or 4, size, size]` in `[-1, 1]`
    /// - output: `[batch, 8 width, 4, 4]`
    pub(crate) fn forward(&self, input: Tensor<4>, division: GhostBatches, skips: &mut Skips) -> Tensor<4> {
        let stages = self.stages.iter();
        stages.fold(input, |x, stage| skips.keep(stage.block().forward_ghost_batches(x, division)))
    }

    pub(crate) fn inference_layers(&self) -> Vec<InferenceLayer> {
        self.stages.iter().map(|stage| stage.block().inference_layer(Storage::F32)).collect()
    }
}

/// Halves height and width: 4x4 convolution of stride 2, batch norm (not in the first stage), leaky ReLU.
#[derive(Module, Debug)]
pub(crate) struct DownStage {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

impl DownStage {
    /// `[batch, in, h, w]` to `[batch, out, h/2, w/2]`.
    pub(crate) fn block(&self) -> ConvBlock<'_, Conv2d> {
        ConvBlock::new(&self.conv, self.norm.as_ref(), HALVING, LEAKY)
    }
}

/// The stages from the input inwards, for encoder and discriminator: the first without batch norm.
pub(crate) fn down_stages(inputs: usize, channels: &[usize], device: &Device) -> Vec<DownStage> {
    let inputs = std::iter::once(inputs).chain(channels.iter().copied());
    let stage = |(stage, (input, &output)): (usize, (usize, &usize))| DownStage {
        conv: conv([input, output], HALVING, device),
        norm: (stage > 0).then(|| batch_norm(output, device)),
    };
    inputs.zip(channels).enumerate().map(stage).collect()
}
