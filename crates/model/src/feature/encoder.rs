//! AlexNet from conv1 to pool5.

use burn::{
    module::Module,
    nn::{
        Initializer, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, ResponseNorm, Window, max_pool};

use super::config::{FeatureModelConfig, Pooling};
use crate::layer::Step;

/// AlexNet's local response normalisation.
const RESPONSE_NORM: ResponseNorm = ResponseNorm { channels: 5, alpha: 1e-4, bias: 1.0 };

/// Windows of conv1, conv2, and conv3 to conv5.
const CONV1: Window = Window::new(11, 4, 0);
const CONV2: Window = Window::new(5, 1, 2);
const CONV3: Window = Window::new(3, 1, 1);

/// Window of pooling, and of the convolution in its place.
const SHRINK: Window = Window::new(3, 2, 0);

/// AlexNet's convolutions: conv1 11x11 stride 4, conv2 5x5, conv3 to conv5 3x3, each with bias and
/// rectifier; normalisation and pooling after conv1 and conv2, pooling after conv5 (paper, section
/// 3.1 "Encoder").
///
/// Local response normalisation is `x / (1 + 1e-4/5 sum x^2)^0.75` over five channels.
#[derive(Module, Debug)]
pub struct FeatureEncoder {
    conv1: Conv2d,
    pool1: Shrink,
    conv2: Conv2d,
    pool2: Shrink,
    conv3: Conv2d,
    conv4: Conv2d,
    conv5: Conv2d,
    pool5: Shrink,
    #[module(skip)]
    response_norm: Option<ResponseNorm>,
}

impl FeatureEncoder {
    pub(crate) fn new(config: &FeatureModelConfig, device: &Device) -> Self {
        let [c1, c2, c3, c4, c5] = config.encoder_channels();
        let groups = config.groups;
        let conv = |channels, Window { kernel, stride, padding }, groups| {
            Conv2dConfig::new(channels, [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                .with_groups(groups)
                .with_initializer(Initializer::Zeros)
                .init(device)
        };
        let shrink = |channels| Shrink::new(config.pooling, channels, device);
        Self {
            conv1: conv([3, c1], CONV1, 1),
            pool1: shrink(c1),
            conv2: conv([c1, c2], CONV2, groups),
            pool2: shrink(c2),
            conv3: conv([c2, c3], CONV3, 1),
            conv4: conv([c3, c4], CONV3, groups),
            conv5: conv([c4, c5], CONV3, groups),
            pool5: shrink(c5),
            response_norm: config.local_response_norm.then_some(RESPONSE_NORM),
        }
    }

    /// # Shapes (at width 64)
    /// - input: `[batch, 3, 227, 227]` in `[-1, 1]`
    /// - output: `[batch, 256, 6, 6]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let conv = |conv, window, x| Step::<Conv2d>::new(conv, None, window, Activation::Relu).forward(x);
        let x = self.normalise(conv(&self.conv1, CONV1, x)); // [batch, 96, 55, 55]
        let x = self.pool1.forward(x); // [batch, 96, 27, 27]
        let x = self.normalise(conv(&self.conv2, CONV2, x)); // [batch, 256, 27, 27]
        let x = self.pool2.forward(x); // [batch, 256, 13, 13]
        let x = conv(&self.conv3, CONV3, x); // [batch, 384, 13, 13]
        let x = conv(&self.conv4, CONV3, x); // [batch, 384, 13, 13]
        let x = conv(&self.conv5, CONV3, x); // [batch, 256, 13, 13]
        self.pool5.forward(x) // [batch, 256, 6, 6]
    }

    fn normalise(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.response_norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}

/// Halves a map: by its maxima (Burn's layer stands for them; it has no parameters), or by a learned
/// convolution of the same window and stride.
#[derive(Module, Debug)]
pub(crate) enum Shrink {
    Max(MaxPool2d),
    Convolution(Conv2d),
}

impl Shrink {
    fn new(pooling: Pooling, channels: usize, device: &Device) -> Self {
        match pooling {
            Pooling::Max => {
                Self::Max(MaxPool2dConfig::new([SHRINK.kernel; 2]).with_strides([SHRINK.stride; 2]).init())
            }
            Pooling::Convolution => Self::Convolution(
                Conv2dConfig::new([channels, channels], [SHRINK.kernel; 2])
                    .with_stride([SHRINK.stride; 2])
                    .with_initializer(Initializer::Zeros)
                    .init(device),
            ),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Max(_) => max_pool(x, SHRINK),
            Self::Convolution(conv) => Step::new(conv, None, SHRINK, Activation::Relu).forward(x),
        }
    }
}
