//! The decoder: a 4x4 map of features becomes the hidden square, or the whole picture.

use burn::{
    module::Module,
    nn::{BatchNorm, conv::ConvTranspose2d},
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, InferenceLayer, Storage, tanh};

use crate::{
    config::{ModelConfig, channels},
    layer::{ConvBlock, GhostBatches, HALVING, batch_norm, up_conv},
    skips::Skips,
};

/// Up-convolutions 512-256-128-64 with batch norm and ReLU, then one to three colors and tanh (paper,
/// section 3.1 "Decoder"; DCGAN). One more 64-64 stage for each doubling of the prediction.
#[derive(Module, Debug)]
pub(crate) struct Decoder {
    stages: Vec<UpStage>,
    to_rgb: ConvTranspose2d,
}

impl Decoder {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        // A prediction of 32 pixels (the centre of 64) skips the outermost stage: three doublings.
        let mut outputs = channels(config.decoder_stages(), config.width);
        outputs.reverse(); // from the map outwards: 512, 256, 128, 64
        let stages = outputs.windows(2).map(|pair| UpStage::new([pair[0], pair[1]], device)).collect();
        let last = outputs.last().copied().unwrap_or(config.bottleneck_channels());
        Self { stages, to_rgb: up_conv([last, 3], HALVING, device) }
    }

    /// Each stage's map takes the encoder's of the same side from `skips`.
    ///
    /// # Shapes
    /// - input: `[batch, 8 width, 4, 4]`
    /// - output: `[batch, 3, predicted, predicted]` in `(-1, 1)`
    pub(crate) fn forward(&self, map: Tensor<4>, division: GhostBatches, skips: &mut Skips) -> Tensor<4> {
        let stages = self.stages.iter();
        // [batch, width, predicted / 2, predicted / 2]
        let x = stages.fold(map, |x, stage| skips.add(stage.block().forward_ghost_batches(x, division)));
        tanh(self.to_rgb().forward(x)) // [batch, 3, predicted, predicted]
    }

    /// The stages in inference; tanh follows the last.
    pub(crate) fn inference_layers(&self) -> Vec<InferenceLayer> {
        let last = self.to_rgb().inference_layer(Storage::F32);
        self.stages.iter().map(|stage| stage.block().inference_layer(Storage::F32)).chain([last]).collect()
    }

    fn to_rgb(&self) -> ConvBlock<'_, ConvTranspose2d> {
        ConvBlock::new(&self.to_rgb, None, HALVING, Activation::Identity)
    }
}

/// Doubles height and width: 4x4 up-convolution of stride 2, batch norm, ReLU.
#[derive(Module, Debug)]
struct UpStage {
    conv: ConvTranspose2d,
    norm: BatchNorm,
}

impl UpStage {
    fn new(channels: [usize; 2], device: &Device) -> Self {
        Self { conv: up_conv(channels, HALVING, device), norm: batch_norm(channels[1], device) }
    }

    /// `[batch, in, h, w]` to `[batch, out, 2h, 2w]`.
    fn block(&self) -> ConvBlock<'_, ConvTranspose2d> {
        ConvBlock::new(&self.conv, Some(&self.norm), HALVING, Activation::Relu)
    }
}
