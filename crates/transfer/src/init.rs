//! Weight initialisation of heads: drawn from an explicit random stream, the same on every device.

use burn::{
    module::Param,
    nn::{
        Initializer, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, TensorData},
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Keeps the streams of heads and encoders of the same seed apart.
const STREAM: u64 = 0x7261_6e73;

/// Units of fc6 and fc7 for one unit of the encoder's width: 4096 at width 64.
pub(crate) const HIDDEN_PER_WIDTH: usize = 64;

/// Standard deviation of He's initialisation before a ReLU, `sqrt(2 / inputs)`.
pub(crate) fn he(inputs: usize) -> f32 {
    (2.0 / inputs as f32).sqrt()
}

/// Initialises layers one after the other from one random stream.
pub(crate) struct LayerInit<'a> {
    rng: ChaCha8Rng,
    device: &'a Device,
}

impl<'a> LayerInit<'a> {
    pub(crate) fn new(seed: u64, device: &'a Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        Self { rng, device }
    }

    /// Fully connected, weights from N(0, std^2), bias 0.
    pub(crate) fn linear(&mut self, [inputs, outputs]: [usize; 2], std: f32) -> Linear {
        let mut layer =
            LinearConfig::new(inputs, outputs).with_initializer(Initializer::Zeros).init(self.device);
        layer.weight = self.normal([inputs, outputs], std);
        layer
    }

    /// A convolution with "same" padding, weights from N(0, std^2), bias 0.
    pub(crate) fn conv(&mut self, [inputs, outputs]: [usize; 2], kernel: usize, std: f32) -> Conv2d {
        let padding = kernel / 2;
        let mut layer = Conv2dConfig::new([inputs, outputs], [kernel; 2])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        layer.weight = self.normal([outputs, inputs, kernel, kernel], std);
        layer
    }

    fn normal<const D: usize>(&mut self, shape: [usize; D], std: f32) -> Param<Tensor<D>> {
        let normal = StandardNormal.sample_iter(&mut self.rng);
        let values: Vec<f32> = normal.take(shape.iter().product()).map(|z: f32| std * z).collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }
}
