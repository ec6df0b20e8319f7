//! Between encoder and decoder: information crosses the map, from every position to every other.

use burn::{
    module::Module,
    nn::{
        BatchNorm,
        conv::{Conv2d, ConvTranspose2d},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, InferenceLayer, Storage, in_32_bits};

use crate::{
    channel_wise::ChannelWise,
    config::{BOTTLENECK_SIDE, BottleneckConfig, ModelConfig},
    layer::{ConvBlock, GhostBatches, LEAKY, POINT, WHOLE_MAP, batch_norm, conv, up_conv},
};

/// The join of encoder and decoder (paper, section 3.1).
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has one; its weights are on the heap either way")]
pub(crate) enum Bottleneck {
    /// Through a dense code at one position.
    Dense(DenseCode),
    /// Through the channel-wise fully connected layer.
    ChannelWise(ChannelWiseMix),
}

impl Bottleneck {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        let channels = config.bottleneck_channels();
        match config.bottleneck {
            BottleneckConfig::Dense(code) => {
                Self::Dense(DenseCode::new(channels, code, config.noise, device))
            }
            BottleneckConfig::ChannelWise => Self::ChannelWise(ChannelWiseMix::new(channels, device)),
        }
    }

    /// # Shapes
    /// - input and output: `[batch, 8 width, 4, 4]`
    /// - `noise`: `[batch, noise]`, for a dense code that noise joins; zero without it
    pub(crate) fn forward(
        &self,
        map: Tensor<4>,
        noise: Option<Tensor<2>>,
        division: GhostBatches,
    ) -> Tensor<4> {
        match self {
            Self::Dense(dense) => dense.forward(map, noise, division),
            Self::ChannelWise(mix) => mix.forward(map, division),
        }
    }

    /// For inference, the dense weights in a storage.
    pub(crate) fn for_inference(&self, storage: Storage) -> InferenceBottleneck {
        match self {
            Self::Dense(code) => InferenceBottleneck::Dense {
                down: code.down().inference_layer(storage),
                noise: code.noise.as_ref().map(NoiseCode::without_noise).map(Box::new),
                up: code.up().inference_layer(storage),
            },
            Self::ChannelWise(mix) => InferenceBottleneck::ChannelWise {
                channel_wise: mix.channel_wise.clone(),
                mix: mix.mix().inference_layer(Storage::F32),
            },
        }
    }
}

/// A bottleneck for inference.
#[derive(Clone, Debug)]
pub(crate) enum InferenceBottleneck {
    /// With what comes of no noise, `[1, noise, 1, 1]`, where noise joins the code.
    Dense {
        down: InferenceLayer,
        noise: Option<Box<Tensor<4>>>,
        up: InferenceLayer,
    },
    ChannelWise {
        channel_wise: ChannelWise,
        mix: InferenceLayer,
    },
}

impl InferenceBottleneck {
    pub(crate) fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Dense { down, noise, up } => {
                let code = down.forward(map);
                up.forward(match noise {
                    Some(noise) => {
                        let [batch, ..] = code.dims();
                        Tensor::cat(vec![code, noise.as_ref().clone().repeat_dim(0, batch)], 1)
                    }
                    None => code,
                })
            }
            Self::ChannelWise { channel_wise, mix } => mix.forward(channel_wise.forward(map)),
        }
    }
}

/// A 4x4 convolution to one position and a 4x4 up-convolution back, as in the authors' code.
#[derive(Module, Debug)]
pub(crate) struct DenseCode {
    down: Conv2d,
    down_norm: BatchNorm,
    noise: Option<NoiseCode>,
    up: ConvTranspose2d,
    up_norm: BatchNorm,
}

impl DenseCode {
    fn new(channels: usize, code: usize, noise: usize, device: &Device) -> Self {
        Self {
            down: conv([channels, code], WHOLE_MAP, device),
            down_norm: batch_norm(code, device),
            noise: (noise > 0).then(|| NoiseCode::new(noise, device)),
            up: up_conv([code + noise, channels], WHOLE_MAP, device),
            up_norm: batch_norm(channels, device),
        }
    }

    fn forward(&self, map: Tensor<4>, noise: Option<Tensor<2>>, division: GhostBatches) -> Tensor<4> {
        let code = self.down().forward_ghost_batches(map, division); // [batch, code, 1, 1]
        let code = match &self.noise {
            Some(layer) => {
                let [batch, ..] = code.dims();
                let noise = noise.unwrap_or_else(|| layer.zeros(batch));
                Tensor::cat([code, layer.forward(noise, division)].map(in_32_bits).into(), 1) // [batch, code + noise, 1, 1]
            }
            None => code,
        };
        self.up().forward_ghost_batches(code, division) // [batch, 8 width, 4, 4]
    }

    fn down(&self) -> ConvBlock<'_, Conv2d> {
        ConvBlock::new(&self.down, Some(&self.down_norm), WHOLE_MAP, LEAKY)
    }

    fn up(&self) -> ConvBlock<'_, ConvTranspose2d> {
        ConvBlock::new(&self.up, Some(&self.up_norm), WHOLE_MAP, Activation::Relu)
    }
}

/// Noise on its way to the dense code: a 1x1 convolution, batch norm, leaky ReLU, as in the authors' code.
#[derive(Module, Debug)]
pub(crate) struct NoiseCode {
    conv: Conv2d,
    norm: BatchNorm,
}

impl NoiseCode {
    fn new(noise: usize, device: &Device) -> Self {
        Self { conv: conv([noise, noise], POINT, device), norm: batch_norm(noise, device) }
    }

    /// No noise: the mean of what it is drawn from.
    fn zeros(&self, batch: usize) -> Tensor<2> {
        let weight = self.conv.weight.val();
        let [noise, ..] = weight.dims();
        Tensor::zeros([batch, noise], &weight.device())
    }

    /// What comes of no noise in inference, `[1, noise, 1, 1]`.
    fn without_noise(&self) -> Tensor<4> {
        self.forward(self.zeros(1), GhostBatches::ONE)
    }

    /// `[batch, noise]` to `[batch, noise, 1, 1]`.
    fn forward(&self, noise: Tensor<2>, division: GhostBatches) -> Tensor<4> {
        let noise = noise.unsqueeze_dims(&[2, 3]);
        ConvBlock::new(&self.conv, Some(&self.norm), POINT, LEAKY).forward_ghost_batches(noise, division)
    }
}

/// The channel-wise layer, then a 1x1 convolution that mixes channels.
#[derive(Module, Debug)]
pub(crate) struct ChannelWiseMix {
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

    fn forward(&self, map: Tensor<4>, division: GhostBatches) -> Tensor<4> {
        let map = self.channel_wise.forward(map); // [batch, 8 width, 4, 4]
        self.mix().forward_ghost_batches(map, division) // [batch, 8 width, 4, 4]
    }

    fn mix(&self) -> ConvBlock<'_, Conv2d> {
        ConvBlock::new(&self.mix, Some(&self.norm), POINT, Activation::Relu)
    }
}
