//! Between encoder and decoder: every position of the map hears of every other.

use burn::{
    module::Module,
    nn::{
        BatchNorm,
        conv::{Conv2d, ConvTranspose2d},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, InferenceLayer, Storage};

use crate::{
    ChannelWise,
    config::{BOTTLENECK_SIDE, BottleneckConfig, ModelConfig},
    layer::{LEAKY, POINT, Step, WHOLE_MAP},
    parts::Parts,
    stage::{batch_norm, conv, up_conv},
};

/// The join of encoder and decoder, `[batch, m, 4, 4]` to `[batch, m, 4, 4]` (paper, section 3.1).
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has one; its weights are on the heap either way")]
pub enum Bottleneck {
    /// Through a dense code at one position.
    Dense(DenseCode),
    /// Through the channel-wise fully connected layer.
    ChannelWise(ChannelWiseMix),
}

impl Bottleneck {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        let channels = config.deepest_channels();
        match config.bottleneck {
            BottleneckConfig::Dense(code) => Self::Dense(DenseCode::new(channels, code, device)),
            BottleneckConfig::ChannelWise => Self::ChannelWise(ChannelWiseMix::new(channels, device)),
        }
    }

    /// # Shapes
    /// - input and output: `[batch, 8 width, 4, 4]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        self.forward_parts(map, Parts::ONE)
    }

    pub(crate) fn forward_parts(&self, map: Tensor<4>, parts: Parts) -> Tensor<4> {
        match self {
            Self::Dense(dense) => dense.forward(map, parts),
            Self::ChannelWise(mix) => mix.forward(map, parts),
        }
    }
}

/// A bottleneck for inference.
#[derive(Clone, Debug)]
pub(crate) enum PreparedBottleneck {
    Dense { down: InferenceLayer, up: InferenceLayer },
    ChannelWise { channel_wise: ChannelWise, mix: InferenceLayer },
}

impl Bottleneck {
    /// For inference, the dense weights in a storage.
    pub(crate) fn prepare(&self, storage: Storage) -> PreparedBottleneck {
        match self {
            Self::Dense(code) => PreparedBottleneck::Dense {
                down: code.down().prepare_with(storage),
                up: code.up().prepare_with(storage),
            },
            Self::ChannelWise(mix) => PreparedBottleneck::ChannelWise {
                channel_wise: mix.channel_wise.clone(),
                mix: mix.mix().prepare(),
            },
        }
    }
}

impl PreparedBottleneck {
    pub(crate) fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Dense { down, up } => up.forward(down.forward(map)),
            Self::ChannelWise { channel_wise, mix } => mix.forward(channel_wise.forward(map)),
        }
    }
}

/// A 4x4 convolution to one position and a 4x4 up-convolution back, as in the authors' code.
#[derive(Module, Debug)]
pub struct DenseCode {
    down: Conv2d,
    down_norm: BatchNorm,
    up: ConvTranspose2d,
    up_norm: BatchNorm,
}

impl DenseCode {
    fn new(channels: usize, code: usize, device: &Device) -> Self {
        Self {
            down: conv([channels, code], WHOLE_MAP, device),
            down_norm: batch_norm(code, device),
            up: up_conv([code, channels], WHOLE_MAP, device),
            up_norm: batch_norm(channels, device),
        }
    }

    fn forward(&self, map: Tensor<4>, parts: Parts) -> Tensor<4> {
        let code = self.down().forward_parts(map, parts); // [batch, code, 1, 1]
        self.up().forward_parts(code, parts) // [batch, m, 4, 4]
    }

    fn down(&self) -> Step<'_, Conv2d> {
        Step::new(&self.down, Some(&self.down_norm), WHOLE_MAP, LEAKY)
    }

    fn up(&self) -> Step<'_, ConvTranspose2d> {
        Step::new(&self.up, Some(&self.up_norm), WHOLE_MAP, Activation::Relu)
    }
}

/// The channel-wise layer, then a 1x1 convolution that mixes channels.
#[derive(Module, Debug)]
pub struct ChannelWiseMix {
    channel_wise: ChannelWise,
    mix: Conv2d,
    norm: BatchNorm,
}

impl ChannelWiseMix {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            channel_wise: ChannelWise::new(channels, BOTTLENECK_SIDE, device),
            mix: conv([channels, channels], POINT, device),
            norm: batch_norm(channels, device),
        }
    }

    fn forward(&self, map: Tensor<4>, parts: Parts) -> Tensor<4> {
        let map = self.channel_wise.forward(map); // [batch, m, 4, 4]
        self.mix().forward_parts(map, parts)
    }

    fn mix(&self) -> Step<'_, Conv2d> {
        Step::new(&self.mix, Some(&self.norm), POINT, Activation::Relu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_keep_the_shape() {
        let device = Device::flex();
        for bottleneck in [BottleneckConfig::Dense(6), BottleneckConfig::ChannelWise] {
            let config = ModelConfig::default().with_width(2).with_bottleneck(bottleneck);
            let map = Tensor::<4>::ones([3, 16, 4, 4], &device);
            assert_eq!(Bottleneck::new(&config, &device).forward(map).dims(), [3, 16, 4, 4]);
        }
    }
}
