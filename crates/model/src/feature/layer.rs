//! The layers of the feature encoder by name.

use std::{fmt, str::FromStr};

use crate::ModelError;

/// A layer of the [`FeatureEncoder`](super::FeatureEncoder) whose map can be asked for, in the order they are
/// computed.
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
    /// After conv1, its rectifier, normalisation and pooling.
    Pool1,
    /// After conv2, its rectifier, normalisation and pooling.
    Pool2,
    /// After conv3 and its rectifier.
    Conv3,
    /// After conv4 and its rectifier.
    Conv4,
    /// After conv5 and its rectifier.
    Conv5,
    /// After the last pooling: what the rest of every network is built on.
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

#[cfg(test)]
mod tests {
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
}
