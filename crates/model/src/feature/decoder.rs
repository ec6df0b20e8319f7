//! From pool5's map back to a picture.

use burn::{
    module::Module,
    nn::{
        Initializer,
        conv::{ConvTranspose2d, ConvTranspose2dConfig},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, ConvGeometry, resize};

use super::FeatureModelConfig;
use crate::layer::Step;

/// Doubles a side, less one pixel.
const DOUBLING: ConvGeometry = ConvGeometry::new(5, 2, 2);

/// Five up-convolutions 5x5 of stride 2 and padding 2, each turning a side n into 2n - 1 (6, 11, 21,
/// 41, 81, 161), with a rectifier after all but the last; then bilinear to the pictures' side, 227
/// (paper, section 3.1 "Decoder").
#[derive(Module, Debug)]
pub struct FeatureDecoder {
    layers: Vec<ConvTranspose2d>,
    /// The pictures' side.
    #[module(skip)]
    size: usize,
}

impl FeatureDecoder {
    pub(crate) fn new(config: &FeatureModelConfig, device: &Device) -> Self {
        let [_, _, _, _, deepest] = config.encoder_channels();
        let outputs = config.decoder_channels();
        let inputs = std::iter::once(deepest).chain(outputs);
        let layers = inputs
            .zip(outputs)
            .map(|(input, output)| {
                ConvTranspose2dConfig::new([input, output], [DOUBLING.kernel; 2])
                    .with_stride([DOUBLING.stride; 2])
                    .with_padding([DOUBLING.padding; 2])
                    .with_initializer(Initializer::Zeros)
                    .init(device)
            })
            .collect();
        Self { layers, size: config.size }
    }

    /// # Shapes (at width 64 and size 227)
    /// - input: `[batch, 256, 6, 6]`
    /// - output: `[batch, 3, 227, 227]`, not bounded
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let last = self.layers.len() - 1;
        let picture = self.layers.iter().enumerate().fold(map, |x, (index, layer)| {
            let activation = if index == last { Activation::Identity } else { Activation::Relu };
            Step::new(layer, None, DOUBLING, activation).forward(x)
        }); // [batch, 3, 161, 161]
        resize(picture, self.size) // [batch, 3, 227, 227]
    }
}
