//! AlexNet from conv1 to pool5.

use std::{fmt, str::FromStr};

use burn::{
    module::Module,
    nn::{
        BatchNorm,
        conv::Conv2d,
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, ConvGeometry, LocalResponseNorm, max_pool};

use crate::{
    error::ModelError,
    feature_config::{FeatureModelConfig, Pooling},
    layer::{ConvBlock, batch_norm, conv_config, fold_batch_norm},
};

/// AlexNet's local response normalization.
pub(crate) const RESPONSE_NORM: LocalResponseNorm = LocalResponseNorm { size: 5, alpha: 1e-4, k: 1.0 };

/// Geometries of conv1, conv2, and conv3 to conv5.
pub(crate) const CONV1: ConvGeometry = ConvGeometry::new(11, 4, 0);
pub(crate) const CONV2: ConvGeometry = ConvGeometry::new(5, 1, 2);
pub(crate) const CONV3: ConvGeometry = ConvGeometry::new(3, 1, 1);

/// Geometry of pooling, and of the convolution in its place.
pub(crate) const POOL: ConvGeometry = ConvGeometry::new(3, 2, 0);

/// The smallest side that leaves pool5 a position, pixels.
const SMALLEST: usize = 67;

/// A layer of the [`FeatureEncoder`] whose map can be returned, in the order of computation.
///
/// | layer | channels at width 64 | side at 227 pixels | at 131 |
/// |---|---|---|---|
/// | `pool1` | 96 | 27 | 15 |
/// | `pool2` | 256 | 13 | 7 |
/// | `conv3` | 384 | 13 | 7 |
/// | `conv4` | 384 | 13 | 7 |
/// | `conv5` | 256 | 13 | 7 |
/// | `pool5` | 256 | 6 | 3 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureLayer {
    /// After conv1, ReLU, normalization and pooling.
    Pool1,
    /// After conv2, ReLU, normalization and pooling.
    Pool2,
    /// After conv3 and ReLU.
    Conv3,
    /// After conv4 and ReLU.
    Conv4,
    /// After conv5 and ReLU.
    Conv5,
    /// After the last pooling: the input of the rest of every network.
    #[default]
    Pool5,
}

impl FeatureLayer {
    /// Every layer, first to last.
    pub const ALL: [Self; 6] = [Self::Pool1, Self::Pool2, Self::Conv3, Self::Conv4, Self::Conv5, Self::Pool5];

    /// The name used on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pool1 => "pool1",
            Self::Pool2 => "pool2",
            Self::Conv3 => "conv3",
            Self::Conv4 => "conv4",
            Self::Conv5 => "conv5",
            Self::Pool5 => "pool5",
        }
    }
}

impl fmt::Display for FeatureLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FeatureLayer {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Self::ALL.into_iter().find(|layer| layer.name() == name).ok_or_else(|| ModelError::Config {
            message: format!("there is no layer `{name}`; choose {}", Self::ALL.map(Self::name).join(", ")),
        })
    }
}

/// AlexNet's convolutions: conv1 11x11 stride 4, conv2 5x5, conv3 to conv5 3x3, each with bias and ReLU;
/// normalization and pooling after conv1 and conv2, pooling after conv5 (paper, section 3.1 "Encoder").
///
/// Where [`FeatureModelConfig::batch_norm`] asks for it, batch norm stands before each of the five ReLUs, in
/// training; an encoder that is taken out of its network or read from a file has it folded into its
/// convolutions ([`without_batch_norm`](Self::without_batch_norm)).
///
/// Local response normalization is `x / (1 + 1e-4/5 sum x^2)^0.75` over five channels.
///
/// Pretraining is for this part. It stands alone: from a pretrained model or a file ([`load`](Self::load),
/// [`FeatureModelConfig::load_encoder`]), on pictures of any side.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::{FeatureLayer, FeatureModelConfig};
///
/// let device = Device::flex();
/// let encoder = FeatureModelConfig::alexnet().with_width(4).init(&device)?.into_encoder();
/// let pictures = Tensor::zeros([2, 3, 227, 227], &device);
/// assert_eq!(encoder.map_at(pictures.clone(), FeatureLayer::Conv3).dims(), [2, 24, 13, 13]);
///
/// let maps = encoder.maps(pictures);
/// assert_eq!(maps[FeatureLayer::Pool1 as usize].dims(), [2, 6, 27, 27]);
/// assert_eq!(maps[FeatureLayer::Pool5 as usize].dims(), [2, 16, 6, 6]);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct FeatureEncoder {
    conv1: Conv2d,
    pool1: Pool,
    conv2: Conv2d,
    pool2: Pool,
    conv3: Conv2d,
    conv4: Conv2d,
    conv5: Conv2d,
    pool5: Pool,
    /// Of conv1 to conv5; none without batch norm.
    norms: Vec<BatchNorm>,
    #[module(skip)]
    config: FeatureModelConfig,
}

impl FeatureEncoder {
    pub(crate) fn new(config: &FeatureModelConfig, device: &Device) -> Self {
        let channels = config.encoder_channels();
        let [c1, c2, c3, c4, c5] = channels;
        let normalized = if config.batch_norm { &channels[..] } else { &[] };
        let groups = config.groups;
        let conv =
            |channels, geometry, groups| conv_config(channels, geometry).with_groups(groups).init(device);
        let pool = |channels| Pool::new(config.pooling, channels, device);
        Self {
            conv1: conv([3, c1], CONV1, 1),
            pool1: pool(c1),
            conv2: conv([c1, c2], CONV2, groups),
            pool2: pool(c2),
            conv3: conv([c2, c3], CONV3, 1),
            conv4: conv([c3, c4], CONV3, groups),
            conv5: conv([c4, c5], CONV3, groups),
            pool5: pool(c5),
            norms: normalized.iter().map(|&channels| batch_norm(channels, device)).collect(),
            config: config.clone(),
        }
    }

    /// The configuration of the network that the encoder is part of.
    pub fn config(&self) -> &FeatureModelConfig {
        &self.config
    }

    /// Pool5's map.
    ///
    /// # Shapes (at width 64)
    /// - input: `[batch, 3, 227, 227]` in `[-1, 1]`; other sides, square or not, give other maps
    /// - output: `[batch, 256, 6, 6]`
    ///
    /// # Panics
    /// When a side has less than 67 pixels, which leave pool5 nothing.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.map_at(x, FeatureLayer::Pool5)
    }

    /// One layer's map; the layers after it are not computed.
    ///
    /// Shapes in [`FeatureLayer`]; panics as for [`forward`](Self::forward).
    pub fn map_at(&self, x: Tensor<4>, layer: FeatureLayer) -> Tensor<4> {
        Self::expect_pictures(&x);
        FeatureLayer::ALL.into_iter().filter(|&each| each <= layer).fold(x, |x, each| self.layer(each, x))
    }

    /// Every layer's map in one pass, in the order of [`FeatureLayer::ALL`].
    ///
    /// Shapes and panics as for [`map_at`](Self::map_at).
    pub fn maps(&self, mut x: Tensor<4>) -> [Tensor<4>; FeatureLayer::ALL.len()] {
        Self::expect_pictures(&x);
        FeatureLayer::ALL.map(|layer| {
            x = self.layer(layer, x.clone());
            x.clone()
        })
    }

    /// The encoder with batch norm, by its running statistics, folded into the convolutions: it computes the
    /// same, and what is trained from here on is AlexNet's weights alone.
    #[must_use]
    pub fn without_batch_norm(mut self) -> Self {
        let convolutions =
            [&mut self.conv1, &mut self.conv2, &mut self.conv3, &mut self.conv4, &mut self.conv5];
        for (conv, norm) in convolutions.into_iter().zip(self.norms.drain(..)) {
            fold_batch_norm(conv, &norm);
        }
        self.config.batch_norm = false;
        self
    }

    /// From the map before a layer to the layer's own.
    fn layer(&self, layer: FeatureLayer, x: Tensor<4>) -> Tensor<4> {
        self.pooled(layer, self.convolved(layer, x))
    }

    /// A layer's convolution with what follows it, up to its pooling (shapes at width 64 and 227 pixels).
    fn convolved(&self, layer: FeatureLayer, x: Tensor<4>) -> Tensor<4> {
        let conv = |conv, norm, geometry, x| {
            ConvBlock::<Conv2d>::new(conv, self.norms.get(norm), geometry, Activation::Relu).forward(x)
        };
        match layer {
            FeatureLayer::Pool1 => self.normalize(conv(&self.conv1, 0, CONV1, x)), // [batch, 96, 55, 55]
            FeatureLayer::Pool2 => self.normalize(conv(&self.conv2, 1, CONV2, x)), // [batch, 256, 27, 27]
            FeatureLayer::Conv3 => conv(&self.conv3, 2, CONV3, x),                 // [batch, 384, 13, 13]
            FeatureLayer::Conv4 => conv(&self.conv4, 3, CONV3, x),                 // [batch, 384, 13, 13]
            FeatureLayer::Conv5 => conv(&self.conv5, 4, CONV3, x),                 // [batch, 256, 13, 13]
            FeatureLayer::Pool5 => x,
        }
    }

    /// A layer's pooling, where it has one.
    fn pooled(&self, layer: FeatureLayer, x: Tensor<4>) -> Tensor<4> {
        match layer {
            FeatureLayer::Pool1 => self.pool1.forward(x), // [batch, 96, 27, 27]
            FeatureLayer::Pool2 => self.pool2.forward(x), // [batch, 256, 13, 13]
            FeatureLayer::Pool5 => self.pool5.forward(x), // [batch, 256, 6, 6]
            FeatureLayer::Conv3 | FeatureLayer::Conv4 | FeatureLayer::Conv5 => x,
        }
    }

    /// A layer's convolution, where it has one.
    pub(crate) fn convolution_mut(&mut self, layer: FeatureLayer) -> Option<(&mut Conv2d, ConvGeometry)> {
        match layer {
            FeatureLayer::Pool1 => Some((&mut self.conv1, CONV1)),
            FeatureLayer::Pool2 => Some((&mut self.conv2, CONV2)),
            FeatureLayer::Conv3 => Some((&mut self.conv3, CONV3)),
            FeatureLayer::Conv4 => Some((&mut self.conv4, CONV3)),
            FeatureLayer::Conv5 => Some((&mut self.conv5, CONV3)),
            FeatureLayer::Pool5 => None,
        }
    }

    /// Calls `visit` with every convolution of an encoder [without batch norm](Self::without_batch_norm),
    /// first to last, and with its input for pictures `x`. What `visit`
    /// changes takes effect on the inputs of those that follow.
    pub(crate) fn visit_convolutions(
        &mut self,
        mut x: Tensor<4>,
        mut visit: impl FnMut(&mut Conv2d, ConvGeometry, Tensor<4>),
    ) {
        for layer in FeatureLayer::ALL {
            if let Some((conv, geometry)) = self.convolution_mut(layer) {
                visit(conv, geometry, x.clone());
            }
            x = self.convolved(layer, x);
            let pool = match layer {
                FeatureLayer::Pool1 => Some(&mut self.pool1),
                FeatureLayer::Pool2 => Some(&mut self.pool2),
                FeatureLayer::Pool5 => Some(&mut self.pool5),
                FeatureLayer::Conv3 | FeatureLayer::Conv4 | FeatureLayer::Conv5 => None,
            };
            if let Some(Pool::Convolution(conv)) = pool {
                visit(conv, POOL, x.clone());
            }
            x = self.pooled(layer, x).detach();
        }
    }

    fn normalize(&self, x: Tensor<4>) -> Tensor<4> {
        if self.config.local_response_norm { RESPONSE_NORM.forward(x) } else { x }
    }

    pub(crate) fn expect_pictures(x: &Tensor<4>) {
        let [_, channels, height, width] = x.dims();
        assert!(
            channels == 3 && height >= SMALLEST && width >= SMALLEST,
            "the feature encoder takes [batch, 3, {SMALLEST} or more, {SMALLEST} or more], not {:?}",
            x.dims()
        );
    }
}

/// Halves a map: by its maxima (Burn's layer stands for them; it has no parameters), or by a learned
/// convolution of the same kernel and stride.
#[derive(Module, Debug)]
enum Pool {
    Max(MaxPool2d),
    Convolution(Conv2d),
}

impl Pool {
    fn new(pooling: Pooling, channels: usize, device: &Device) -> Self {
        match pooling {
            Pooling::Max => {
                Self::Max(MaxPool2dConfig::new([POOL.kernel; 2]).with_strides([POOL.stride; 2]).init())
            }
            Pooling::Convolution => Self::Convolution(conv_config([channels, channels], POOL).init(device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Max(_) => max_pool(x, POOL),
            Self::Convolution(conv) => ConvBlock::new(conv, None, POOL, Activation::Relu).forward(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for layer in FeatureLayer::ALL {
            assert_eq!(layer.name().parse::<FeatureLayer>().expect("own name"), layer);
        }
        let error = "pool6".parse::<FeatureLayer>().expect_err("no such layer").to_string();
        assert!(error.contains("choose pool1, pool2, conv3, conv4, conv5, pool5"), "{error}");
        assert!(FeatureLayer::ALL.is_sorted());
    }

    fn values(map: Tensor<4>) -> Vec<f32> {
        map.into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn maps_have_alexnets_sides_and_equal_map_at() {
        let device = Device::flex();
        // worked out by hand: (side - 11) / 4 + 1, then three times (side - 3) / 2 + 1
        for (size, sides) in [(227, [27, 13, 6]), (131, [15, 7, 3]), (99, [11, 5, 2]), (67, [7, 3, 1])] {
            let encoder =
                FeatureModelConfig::alexnet().with_width(4).init(&device).expect("valid").into_encoder();
            let pixels = (0..3 * size * size).map(|i| (i * 37 % 199) as f32 / 99.0 - 1.0).collect();
            let picture =
                Tensor::<4>::from_data(TensorData::new::<f32, _>(pixels, [1, 3, size, size]), &device);
            let maps = encoder.maps(picture.clone());
            let [pool1, pool2, pool5] = sides;
            let expected = [(6, pool1), (16, pool2), (24, pool2), (24, pool2), (16, pool2), (16, pool5)];
            for ((layer, map), (channels, side)) in FeatureLayer::ALL.into_iter().zip(maps).zip(expected) {
                assert_eq!(map.dims(), [1, channels, side, side], "{layer} of {size}");
                assert_eq!(values(map), values(encoder.map_at(picture.clone(), layer)), "{layer} of {size}");
            }
        }
    }

    #[test]
    fn batch_norm_folds_into_the_convolutions() {
        let device = Device::flex();
        let config = FeatureModelConfig { batch_norm: true, ..FeatureModelConfig::alexnet() };
        let model = config.with_width(4).with_size(99).init(&device.clone().autodiff()).expect("valid");
        let pixels: Vec<f32> =
            (0..4 * 3 * 99 * 99_u64).map(|i| (i * i % 1013) as f32 / 506.0 - 1.0).collect();
        let pictures =
            |device: &Device| Tensor::<4>::from_data(TensorData::new(pixels.clone(), [4, 3, 99, 99]), device);
        // Running statistics that are not those of a fresh network.
        for _ in 0..3 {
            let _ = model.encoder().forward(pictures(&device.clone().autodiff()));
        }
        let encoder = model.valid().encoder().clone();
        let expected = encoder.maps(pictures(&device)).map(values);
        let folded = encoder.without_batch_norm();
        assert!(!folded.config().batch_norm && folded.norms.is_empty());
        for (layer, (folded, expected)) in FeatureLayer::ALL
            .into_iter()
            .zip(folded.maps(pictures(&device)).map(values).iter().zip(&expected))
        {
            let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            assert!(
                largest > 0.0 && folded.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5 * largest),
                "{layer}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "67 or more], not [1, 3, 66, 100]")]
    fn refuses_what_leaves_no_map() {
        let device = Device::flex();
        let encoder =
            FeatureModelConfig::alexnet().with_width(4).init(&device).expect("valid").into_encoder();
        encoder.forward(Tensor::zeros([1, 3, 66, 100], &device));
    }
}
