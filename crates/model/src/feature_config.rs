//! Configuration of the feature-learning network.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{InitialFill, ModelError};

/// Side of AlexNet's input pictures, pixels.
const ALEXNET_SIZE: usize = 227;

/// Sides that pass through conv1 (11x11, stride 4) and three poolings (3x3, stride 2) without a pixel left
/// over are this much above a multiple of [`STRIDE`]: `n` positions at pool5 come from `35 + 32 n` pixels.
const REST: usize = 35;

/// Pixels from one position of pool5 to the next.
const STRIDE: usize = 32;

/// Accepted sides of pool5's map: 99 to 483 pixels.
const MAP_SIDES: RangeInclusive<usize> = 2..=14;

/// How the encoder shrinks its maps after conv1, conv2 and conv5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pooling {
    /// 3x3 max pooling of stride 2, as in AlexNet and all feature-learning results of the paper.
    #[default]
    Max,
    /// A 3x3 convolution of stride 2 in its place, followed by ReLU ("pool-free"; the paper found it finer
    /// for inpainting).
    Convolution,
}

/// Architecture of a [`FeatureModel`](crate::FeatureModel).
///
/// | field | meaning | default | range |
/// |---|---|---|---|
/// | `size` | side of the pictures, pixels; pool5 has `(size - 35) / 32` positions a side | 227 | 99, 131, 163, 195, 227, ... 483: 35 more than a multiple of 32 |
/// | `width` | channels of the decoder's second and third layer; every other layer is a fixed multiple (conv1 has 3/2 of it) | 64 | 4..=256, a multiple of 4 |
/// | `pooling` | max pooling, or convolutions in its place | max | |
/// | `local_response_norm` | AlexNet's normalization after conv1 and conv2 | on | |
/// | `groups` | convolution groups of conv2, conv4 and conv5 | 2 | 1, 2 |
/// | `batch_norm` | batch norm after every convolution but the last, in training; an encoder that transfers has it folded into its convolutions | off | |
/// | `fill` | color that replaces hidden pixels | mean | |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureModelConfig {
    /// Side of the pictures, pixels: 35 more than a multiple of 32. 227 is AlexNet.
    #[serde(default = "alexnet_size")]
    pub size: usize,
    /// Channels of the decoder's second layer; conv1 has 3/2 of it. 64 is AlexNet.
    pub width: usize,
    /// Max pooling, or convolutions in its place.
    pub pooling: Pooling,
    /// AlexNet's local response normalization after conv1 and conv2.
    pub local_response_norm: bool,
    /// Convolution groups of conv2, conv4 and conv5: 2 in AlexNet.
    pub groups: usize,
    /// Batch norm after every convolution but the last. It makes pretraining learn several times as fast;
    /// AlexNet and the paper's feature network have none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batch_norm: bool,
    /// Color that replaces hidden pixels.
    pub fill: InitialFill,
}

impl Default for FeatureModelConfig {
    fn default() -> Self {
        Self::alexnet()
    }
}

impl FeatureModelConfig {
    /// AlexNet as in the paper: max pooling, local response normalization, two groups.
    pub fn alexnet() -> Self {
        Self {
            size: ALEXNET_SIZE,
            width: 64,
            pooling: Pooling::Max,
            local_response_norm: true,
            groups: 2,
            batch_norm: false,
            fill: InitialFill::Mean,
        }
    }

    /// The modern simplification: no local response normalization, no groups.
    pub fn modern() -> Self {
        Self { local_response_norm: false, groups: 1, ..Self::alexnet() }
    }

    /// Sets the side of the pictures, pixels (227 is AlexNet).
    pub fn with_size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// Sets the width (64 is AlexNet).
    pub fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ModelError::Config`] names the field and its range.
    pub fn validate(&self) -> Result<(), ModelError> {
        let refuse = |message: String| Err(ModelError::Config { message });
        let sizes = MAP_SIDES.map(|side| REST + STRIDE * side);
        if !sizes.clone().any(|size| size == self.size) {
            let sizes: Vec<String> = sizes.map(|size| size.to_string()).collect();
            return refuse(format!(
                "size is {}, which AlexNet's layers do not divide; choose one of {} (227 is AlexNet)",
                self.size,
                sizes.join(", ")
            ));
        }
        if !(4..=256).contains(&self.width) || !self.width.is_multiple_of(4) {
            return refuse(format!(
                "width is {}; choose a multiple of 4 from 4 to 256 (64 is AlexNet)",
                self.width
            ));
        }
        if ![1, 2].contains(&self.groups) {
            return refuse(format!("groups is {}; choose 1, or 2 as in AlexNet", self.groups));
        }
        if self.fill == InitialFill::Smooth {
            return refuse(
                "fill is smooth, which hides where the holes are; choose mean or authors".to_owned(),
            );
        }
        Ok(())
    }

    /// Side of the map between encoder and decoder (pool5): 6 at size 227.
    pub fn map_side(&self) -> usize {
        (self.size - REST) / STRIDE
    }

    /// Channels of conv1 to conv5: 96, 256, 384, 384, 256 at width 64.
    pub(crate) fn encoder_channels(&self) -> [usize; 5] {
        let width = self.width;
        [width * 3 / 2, width * 4, width * 6, width * 6, width * 4]
    }

    /// Channels after each up-convolution: 128, 64, 64, 32, 3 at width 64.
    pub(crate) fn decoder_channels(&self) -> [usize; 5] {
        let width = self.width;
        [width * 2, width, width, width / 2, 3]
    }
}

fn alexnet_size() -> usize {
    ALEXNET_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_alexnets() {
        assert_eq!(FeatureModelConfig::alexnet().encoder_channels(), [96, 256, 384, 384, 256]);
        assert_eq!(FeatureModelConfig::alexnet().decoder_channels(), [128, 64, 64, 32, 3]);
    }

    #[test]
    fn pool5_has_a_whole_map_for_every_size() {
        for (size, side) in [(99, 2), (131, 3), (163, 4), (195, 5), (227, 6), (259, 7), (483, 14)] {
            let config = FeatureModelConfig::alexnet().with_size(size);
            config.validate().expect("usable");
            assert_eq!(config.map_side(), side);
        }
        for size in [0, 67, 128, 224, 228, 515] {
            let error = FeatureModelConfig::alexnet().with_size(size).validate().expect_err("no size");
            assert!(error.to_string().contains("choose one of 99, 131, 163, 195, 227, 259"), "{error}");
        }
    }

    #[test]
    fn json_without_a_size_is_alexnet() {
        let json = r#"{"width":64,"pooling":"max","local_response_norm":true,"groups":2,"fill":"mean"}"#;
        assert_eq!(
            serde_json::from_str::<FeatureModelConfig>(json).expect("old"),
            FeatureModelConfig::alexnet()
        );
    }

    #[test]
    fn refuses_what_cannot_be_built() {
        assert!(FeatureModelConfig::modern().validate().is_ok());
        assert!(FeatureModelConfig::alexnet().with_width(6).validate().is_err());
        let smooth = FeatureModelConfig { fill: InitialFill::Smooth, ..FeatureModelConfig::alexnet() };
        assert!(smooth.validate().is_err());
        assert!(FeatureModelConfig { groups: 3, ..FeatureModelConfig::alexnet() }.validate().is_err());
    }
}
