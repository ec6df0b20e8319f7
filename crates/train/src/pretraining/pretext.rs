//! What the network is made to do for the sake of its features.

use std::fmt;

use context_encoder_mask::{DroppedPixels, MaskGenerator, MaskKind, NothingHidden};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{TrainError, recipe::Asked};

/// Share of the pixels that a denoising autoencoder misses, unless it is said: as much as random regions hide.
const DROPPED: f64 = 0.25;

/// What the network is made to do for the sake of its features: the paper's task, or a baseline of its Table 2. The
/// network is the same for all.
///
/// | `kind` | what it does not see | what the loss is over |
/// |---|---|---|
/// | `context` | the hidden part ([`PretrainConfig::masks`](crate::PretrainConfig::masks)) | the hidden part |
/// | `autoencoder` | nothing is hidden | the whole picture |
/// | `denoising` | single pixels, each with the probability `dropped` | the whole picture |
///
/// The remaining baseline, random weights, is a run of 0 steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Pretext {
    /// Inpainting: predict what is hidden from what surrounds it.
    #[default]
    #[serde(deserialize_with = "no_fields")]
    Context,
    /// Reconstruct a picture that is all there.
    #[serde(deserialize_with = "no_fields")]
    Autoencoder,
    /// Reconstruct a picture that misses single pixels.
    Denoising {
        /// Probability that a pixel is missing, above 0 and below 1.
        #[serde(default = "dropped")]
        dropped: f64,
    },
}

fn dropped() -> f64 {
    DROPPED
}

/// Refuses fields beside `kind`, which serde would ignore for a variant that has none.
fn no_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(deserializer).map(|Nothing {}| ())
}

impl Pretext {
    /// Every pretext, a share of 1/4 for denoising.
    pub const ALL: [Self; 3] = [Self::Context, Self::Autoencoder, Self::Denoising { dropped: DROPPED }];

    /// The name used in configuration files and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Autoencoder => "autoencoder",
            Self::Denoising { .. } => "denoising",
        }
    }

    /// Draws what is not seen; `masks` says it for [`Context`](Self::Context).
    pub(crate) fn masks(self, masks: &MaskKind) -> Result<Box<dyn MaskGenerator>, TrainError> {
        Ok(match self {
            Self::Context => masks.build()?,
            Self::Autoencoder => Box::new(NothingHidden),
            Self::Denoising { dropped } => Box::new(DroppedPixels::new(dropped)?),
        })
    }

    /// Which pixels the loss is over, and the scores.
    pub(crate) fn asked(self) -> Asked {
        match self {
            Self::Context => Asked::Hidden,
            Self::Autoencoder | Self::Denoising { .. } => Asked::Everything,
        }
    }

    /// What is not seen, in words.
    pub(crate) fn describe(self, masks: &MaskKind) -> String {
        match self {
            Self::Context => masks.to_string(),
            Self::Autoencoder => "nothing (autoencoder)".to_owned(),
            Self::Denoising { dropped } => format!("single pixels, {dropped} of all (denoising autoencoder)"),
        }
    }
}

impl fmt::Display for Pretext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Pretext {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        Self::ALL.into_iter().find(|pretext| pretext.name() == name).ok_or_else(|| {
            TrainError::config(format!(
                "there is no pretext `{name}`; choose context, autoencoder or denoising"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_data::{Purpose, rng_for};

    use super::*;

    #[test]
    fn each_pretext_hides_what_it_says() {
        let region = MaskKind::RandomRegion { silhouettes: None };
        let hidden = |pretext: Pretext, masks: &MaskKind| {
            let generator = pretext.masks(masks).expect("no files are needed");
            generator.generate(128, 128, &mut rng_for(2, Purpose::Mask, 0, 0)).hidden_fraction()
        };
        assert_eq!(hidden(Pretext::Context, &MaskKind::Central { overlap: 0 }), 0.25);
        assert!((0.2..=0.3).contains(&hidden(Pretext::Context, &region)));
        assert_eq!(hidden(Pretext::Autoencoder, &region), 0.0);
        let share = hidden(Pretext::Denoising { dropped: 0.4 }, &region);
        assert!((share - 0.4).abs() < 0.02, "{share}"); // five standard deviations of 16 384 draws
    }

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for pretext in Pretext::ALL {
            assert_eq!(pretext.name().parse::<Pretext>().expect("own name"), pretext);
        }
        let error = "contxt".parse::<Pretext>().expect_err("no such pretext").to_string();
        assert!(error.contains("choose context, autoencoder or denoising"), "{error}");
    }
}
