//! Named starting points: the paper's text, the authors' code, and this project's advice.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{BottleneckConfig, InitialFill, ModelConfig, ModelError, Prediction};

/// A named starting point. What differs between them is tabled in `docs/paper-and-code.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Preset {
    /// As the paper's text has it: the channel-wise layer, true mean fill.
    Paper,
    /// As the authors' published code runs it, scrambled fill included.
    Authors,
    /// This project's advice: the paper's network, asked for the whole hidden square.
    #[default]
    Recommended,
}

/// Channels of the dense code in the authors' inpainting network.
const AUTHORS_CODE: usize = 4000;

impl Preset {
    /// Every preset, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Authors, Self::Recommended];

    /// The name used in configuration files and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Authors => "authors",
            Self::Recommended => "recommended",
        }
    }

    /// The architecture.
    pub(crate) fn model(self) -> ModelConfig {
        let (bottleneck, fill) = match self {
            Self::Paper | Self::Recommended => (BottleneckConfig::ChannelWise, InitialFill::Mean),
            Self::Authors => (BottleneckConfig::Dense(AUTHORS_CODE), InitialFill::Authors),
        };
        ModelConfig { size: 128, width: 64, bottleneck, prediction: Prediction::Centre, fill }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(|| ModelError::Config {
            message: format!("there is no preset `{name}`; choose paper, authors or recommended"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse::<Preset>().expect("own name"), preset);
        }
        let error = "pape".parse::<Preset>().expect_err("no such preset").to_string();
        assert!(error.contains("choose paper, authors or recommended"), "{error}");
    }

    #[test]
    fn presets_differ_where_the_documentation_says() {
        let [paper, authors, recommended] = Preset::ALL.map(Preset::model);
        let dense = paper.clone().with_bottleneck(BottleneckConfig::Dense(AUTHORS_CODE));
        assert_eq!(dense.with_fill(InitialFill::Authors), authors);
        assert_eq!(paper, recommended); // they differ in what is hidden, which is not the network's
    }
}
