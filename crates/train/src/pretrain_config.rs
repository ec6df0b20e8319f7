//! The configuration of pretraining, by inpainting or by one of the baselines it is compared with.

use std::{fmt, path::Path};

use context_encoder_mask::{DroppedPixels, MaskGenerator, MaskKind, NothingHidden};
use context_encoder_model::FeatureModelConfig;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{DataConfig, RunSettings, Schedule, TrainError, overrides, settings::validate_lr};

/// Adam's learning rate for central masks, and for random blocks and regions (paper, section 5.2).
const CENTRAL_LR: f64 = 1e-3;
const RANDOM_LR: f64 = 1e-4;

/// The shorter side of a folder's pictures unless it is given, pixels: usual before AlexNet's crop of 227.
const RESIZE: u32 = 256;

/// Probability that the denoising autoencoder misses a pixel, unless it is given: as much as random regions
/// hide.
const DROP_PROBABILITY: f64 = 0.25;

/// Everything that a pretraining run depends on: the AlexNet-style network, trained by L2 reconstruction
/// alone (paper, sections 3.1 and 5.2). Two runs of equal configuration on the same kind of device give equal
/// weights.
///
/// | key | meaning | default |
/// |---|---|---|
/// | `model` | architecture: `size`, `width`, `pooling`, `local_response_norm`, `groups`, `fill` | AlexNet at 227 pixels |
/// | `pretext` | pretext task: `context`, or a baseline, `autoencoder` or `denoising` | context |
/// | `masks` | what is hidden, for `context` | random regions, noise pattern |
/// | `lr` | Adam's learning rate | 1e-3 for central masks, 1e-4 for others, whatever the pretext |
/// | `schedule` | how it changes | constant |
///
/// and those of [`RunSettings`], with 100 000 steps. `steps`, masks, learning rates and loss are the paper's;
/// it does not give its batch size.
///
/// ```
/// use context_encoder_train::{Pretext, PretrainConfig};
///
/// let config = PretrainConfig::from_toml("pretext.kind = \"denoising\"\nmasks = { kind = \"central\", overlap = 0 }")?;
/// assert_eq!(config.pretext, Pretext::Denoising { drop_probability: 0.25 });
/// assert_eq!(config.lr(), 1e-3);
/// # Ok::<(), context_encoder_train::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// What every run has: steps, batch size, data, intervals.
    pub run: RunSettings,
    /// Adam's learning rate; see [`lr`](Self::lr).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// How it changes in the course of the run.
    pub schedule: Schedule,
    /// Architecture.
    pub model: FeatureModelConfig,
    /// Pretext task.
    pub pretext: Pretext,
    /// What is hidden, for [`Pretext::Context`].
    pub masks: MaskKind,
}

impl Default for PretrainConfig {
    /// The paper's, on the built-in facades.
    fn default() -> Self {
        Self {
            run: RunSettings { steps: 100_000, ..RunSettings::default() },
            lr: None,
            schedule: Schedule::Constant,
            model: FeatureModelConfig::alexnet(),
            pretext: Pretext::Context,
            masks: MaskKind::RandomRegion { silhouettes: None, cell: None },
        }
    }
}

impl PretrainConfig {
    /// What fits into about a minute on two cores: few steps of a narrow network on small pictures.
    pub fn first_run() -> Self {
        let config = Self::default();
        Self {
            run: RunSettings::first_run(300),
            lr: Some(CENTRAL_LR), // the paper's 1e-4 is for 100 000 steps
            model: config.model.with_size(131).with_width(16),
            ..config
        }
    }

    /// Two steps of a tiny network, to see that everything works.
    pub fn smoke(self) -> Self {
        Self { run: self.run.smoke(), model: self.model.with_size(99).with_width(4), ..self }
    }

    /// Reads a TOML file of any of the keys.
    ///
    /// # Errors
    /// As [`TrainConfig::load`](crate::TrainConfig::load).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        overrides::load(path.as_ref(), Self::from_toml)
    }

    /// As [`load`](Self::load), from text.
    ///
    /// # Errors
    /// As there.
    pub fn from_toml(text: &str) -> Result<Self, TrainError> {
        let (mut config, remarks) = overrides::with_changes(&Self::default(), overrides::table(text)?)?;
        config.run.remarks.0 = remarks;
        Ok(config)
    }

    /// Sets one key, written with dots, to a TOML value; text needs no quotes.
    ///
    /// ```
    /// use context_encoder_train::PretrainConfig;
    ///
    /// let config = PretrainConfig::default().with_override("model.size=131")?.with_override("pretext.kind=autoencoder")?;
    /// assert_eq!((config.model.size, config.pretext.name()), (131, "autoencoder"));
    /// # Ok::<(), context_encoder_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::Config`] with the offending key.
    pub fn with_override(self, assignment: &str) -> Result<Self, TrainError> {
        let (mut config, remarks) = overrides::with_override(&self, assignment)?;
        config.run.remarks = self.run.remarks;
        config.run.remarks.add(remarks);
        Ok(config)
    }

    /// As the TOML text that [`load`](Self::load) reads.
    ///
    /// # Errors
    /// [`TrainError::Config`] when a path in it is not valid text.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        overrides::to_toml(self)
    }

    /// The same on a folder's pictures; their shorter side is resized to `resize` pixels, or what it was, or
    /// 256.
    ///
    /// # Errors
    /// As [`DataConfig::in_folder`].
    pub fn with_folder(
        mut self,
        path: impl AsRef<Path>,
        resize: Option<u32>,
        strict: bool,
    ) -> Result<Self, TrainError> {
        let resize = match &self.run.data {
            DataConfig::Facades { .. } => resize.or(Some(RESIZE)),
            DataConfig::Folder { .. } | DataConfig::Shards { .. } => resize,
        };
        self.run.data = self.run.data.in_folder(path.as_ref(), resize, strict)?;
        Ok(self)
    }

    /// Adam's learning rate: the one that is set, else the paper's for these masks. It does not depend on the
    /// pretext task, so that runs that differ in nothing else can be compared.
    pub fn lr(&self) -> f64 {
        self.lr.unwrap_or(match self.masks {
            MaskKind::Central { .. } => CENTRAL_LR,
            MaskKind::RandomBlock | MaskKind::RandomRegion { .. } | MaskKind::FreeForm => RANDOM_LR,
        })
    }

    /// Checks every field, and that they fit together.
    ///
    /// # Errors
    /// [`TrainError::Config`], [`TrainError::Model`] or [`TrainError::Mask`] with the key and what to write
    /// instead.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.model.validate()?;
        validate_lr("lr", self.lr(), "1e-3 and 1e-4")?;
        if self.pretext != Pretext::Context {
            self.pretext.mask_generator(&self.masks)?; // reads no files
        }
        self.run.validate(self.model.size, &self.masks)
    }
}

/// The pretext task by which features are learned: the paper's, or a baseline of its Table 2. The network is
/// the same for all.
///
/// | `kind` | what is hidden | what the loss is over |
/// |---|---|---|
/// | `context` | [`PretrainConfig::masks`] | the hidden part |
/// | `autoencoder` | nothing | the whole picture |
/// | `denoising` | single pixels, each with `drop_probability` | the whole picture |
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
    /// Reconstruct a picture of which nothing is hidden.
    #[serde(deserialize_with = "no_fields")]
    Autoencoder,
    /// Reconstruct a picture that misses single pixels.
    Denoising {
        /// Probability that a pixel is missing, above 0 and below 1.
        #[serde(default = "drop_probability")]
        drop_probability: f64,
    },
}

fn drop_probability() -> f64 {
    DROP_PROBABILITY
}

/// Refuses fields beside `kind`, which serde would ignore for a variant that has none.
fn no_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(deserializer).map(|Nothing {}| ())
}

impl Pretext {
    /// Every pretext task, with a drop probability of 1/4 for denoising.
    pub const ALL: [Self; 3] =
        [Self::Context, Self::Autoencoder, Self::Denoising { drop_probability: DROP_PROBABILITY }];

    /// The name used in configuration files and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Autoencoder => "autoencoder",
            Self::Denoising { .. } => "denoising",
        }
    }

    /// Draws what is hidden: `masks` for [`Context`](Self::Context).
    pub(crate) fn mask_generator(self, masks: &MaskKind) -> Result<Box<dyn MaskGenerator>, TrainError> {
        Ok(match self {
            Self::Context => masks.build()?,
            Self::Autoencoder => Box::new(NothingHidden),
            Self::Denoising { drop_probability } => Box::new(DroppedPixels::new(drop_probability)?),
        })
    }

    /// What is hidden, in words.
    pub(crate) fn describe(self, masks: &MaskKind) -> String {
        match self {
            Self::Context => masks.to_string(),
            Self::Autoencoder => "nothing (autoencoder)".to_owned(),
            Self::Denoising { drop_probability } => {
                format!("single pixels, {drop_probability} of all (denoising autoencoder)")
            }
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
    fn learning_rate_follows_the_masks_unless_it_is_set() {
        let config = PretrainConfig::default();
        assert_eq!(config.lr(), 1e-4);
        assert_eq!(PretrainConfig { pretext: Pretext::Autoencoder, ..config.clone() }.lr(), 1e-4);
        let central = PretrainConfig { masks: MaskKind::Central { overlap: 0 }, ..config };
        assert_eq!(central.lr(), 1e-3);
        assert_eq!(PretrainConfig { lr: Some(2e-3), ..central }.lr(), 2e-3);
    }

    #[test]
    fn written_configuration_reads_back() {
        for pretext in Pretext::ALL {
            for lr in [None, Some(3e-4)] {
                let config = PretrainConfig { pretext, lr, ..PretrainConfig::first_run() };
                config.validate().expect("usable");
                let text = config.to_toml().expect("plain");
                assert_eq!(PretrainConfig::from_toml(&text).expect("own text"), config);
            }
        }
    }

    #[test]
    fn unusable_settings_are_refused_with_the_key() {
        let refusal = |assignment: &str| {
            let changed = PretrainConfig::default().with_override(assignment);
            changed.and_then(|config| config.validate()).expect_err(assignment).to_string()
        };
        assert!(refusal("model.size=128").contains("choose one of 99, 131"));
        assert!(refusal("lr=-1.0").contains("lr is -1"));
        assert!(refusal("pretext={kind=\"denoising\", dropped=1.0}").contains("above 0 and below 1"));
        assert!(refusal("pretext.dropped=0.5").contains("unknown field `dropped`"));
        assert!(refusal("pretext.kind=inpainting").contains("inpainting"));
        assert!(refusal("batch_size=1").contains("batch_size is 1"));
        assert!(refusal("generator_lr=1e-3").contains("unknown field `generator_lr`"));
        assert!(refusal("shares=2").contains("unknown field `shares`"));
        assert!(refusal("masks={kind=\"central\", overlap=60}").contains("leaves nothing hidden"));
    }

    #[test]
    fn folder_is_resized_as_for_alexnet_unless_told_otherwise() {
        let folder = |config: PretrainConfig, path, resize| {
            config.with_folder(path, resize, false).expect("no shards")
        };
        let resize = |config: PretrainConfig| match config.run.data {
            DataConfig::Folder { resize, .. } => resize,
            other => panic!("{other:?}"),
        };
        let config = folder(PretrainConfig::default(), "p", None);
        assert_eq!(resize(config.clone()), 256);
        let config = folder(config, "q", Some(300));
        assert_eq!(resize(config.clone()), 300);
        assert_eq!(resize(folder(config, "r", None)), 300);
    }

    #[test]
    fn each_pretext_hides_what_it_says() {
        let region = MaskKind::RandomRegion { silhouettes: None, cell: None };
        let hidden = |pretext: Pretext, masks: &MaskKind| {
            let generator = pretext.mask_generator(masks).expect("no files are needed");
            generator.generate(128, 128, &mut rng_for(2, Purpose::Mask, 0, 0)).hidden_fraction()
        };
        assert_eq!(hidden(Pretext::Context, &MaskKind::Central { overlap: 0 }), 0.25);
        assert!((0.2..=0.3).contains(&hidden(Pretext::Context, &region)));
        assert_eq!(hidden(Pretext::Autoencoder, &region), 0.0);
        let fraction = hidden(Pretext::Denoising { drop_probability: 0.4 }, &region);
        assert!((fraction - 0.4).abs() < 0.02, "{fraction}"); // five standard deviations of 16 384 draws
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
