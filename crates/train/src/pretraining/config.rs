//! Everything that pretraining depends on.

use std::path::Path;

use context_encoder_mask::MaskKind;
use context_encoder_model::{FeatureModelConfig, Precision};
use serde::{Deserialize, Serialize};

use super::Pretext;
use crate::{Augmentation, DataConfig, Schedule, TrainError, overrides, recipe::Recipe};

/// Adam's learning rate for central masks, and for random blocks and regions (paper, section 5.2).
const CENTRAL_RATE: f64 = 1e-3;
const RANDOM_RATE: f64 = 1e-4;

/// The shorter side of a folder's pictures unless it is given, pixels: usual before AlexNet's crop of 227.
const RESIZE: u32 = 256;

/// Everything that a pretraining run depends on: the AlexNet-style network, trained by L2 reconstruction alone (paper,
/// sections 3.1 and 5.2).
///
/// Two runs of equal configuration on the same kind of device give equal weights.
///
/// | key | meaning | default |
/// |---|---|---|
/// | `model` | architecture: `size`, `width`, `pooling`, `local_response_norm`, `groups`, `fill` | AlexNet at 227 pixels |
/// | `pretext` | what the network does: `context`, or a baseline, `autoencoder` or `denoising` | context |
/// | `masks` | what is hidden, for `context` | random regions, noise pattern |
/// | `rate` | Adam's learning rate | 1e-3 for central masks, 1e-4 for others, whatever the pretext |
/// | `schedule` | how it changes | constant |
/// | `batch_size` | pictures a step | 64 |
/// | `steps` | optimiser steps in all; 0 for random weights | 100 000 |
/// | `precision` | in how many bits layers multiply: `f32`, `bf16`, `f16` | f32 |
/// | `data`, `augmentation` | pictures, and what is varied in them | built-in facades, nothing |
///
/// `steps`, masks, rates and loss are the paper's; it does not give its batch size.
///
/// ```
/// use context_encoder_train::{Pretext, PretrainConfig};
///
/// let config = PretrainConfig::from_toml("pretext.kind = \"denoising\"\nmasks = { kind = \"central\", overlap = 0 }")?;
/// assert_eq!(config.pretext, Pretext::Denoising { dropped: 0.25 });
/// assert_eq!(config.rate(), 1e-3);
/// # Ok::<(), context_encoder_train::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// Optimiser steps in all; 0 leaves the weights as they are drawn.
    pub steps: u64,
    /// Pictures a step, at least 2.
    pub batch_size: usize,
    /// Decides first weights, order, crops, flips, masks and dropout.
    pub seed: u64,
    /// Adam's learning rate; see [`rate`](Self::rate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How it changes in the course of the run.
    pub schedule: Schedule,
    /// Threads that prepare pictures; never changes a batch.
    pub workers: usize,
    /// Steps between readings of the device, for log and progress.
    pub log_every: u64,
    /// Steps between sheets of samples; 0 for none.
    pub sheet_every: u64,
    /// Steps between validations; 0 for one at the end only.
    pub validate_every: u64,
    /// Steps between checkpoints; 0 for one at the end only.
    pub checkpoint_every: u64,
    /// Pictures of the validation part that are used, at most.
    pub validation_pictures: usize,
    /// In how many bits layers multiply; weights, losses and Adam have 32 whatever it is.
    #[serde(default)]
    pub precision: Precision,
    /// Architecture.
    pub model: FeatureModelConfig,
    /// What the network does.
    pub pretext: Pretext,
    /// What is hidden, for [`Pretext::Context`].
    pub masks: MaskKind,
    /// Where pictures come from.
    pub data: DataConfig,
    /// What is varied in them.
    pub augmentation: Augmentation,
}

impl Default for PretrainConfig {
    /// The paper's, on the built-in facades.
    fn default() -> Self {
        Self {
            steps: 100_000,
            batch_size: 64,
            seed: 0,
            rate: None,
            schedule: Schedule::Constant,
            workers: 2,
            log_every: 10,
            sheet_every: 500,
            validate_every: 500,
            checkpoint_every: 500,
            validation_pictures: 64,
            precision: Precision::F32,
            model: FeatureModelConfig::alexnet(),
            pretext: Pretext::Context,
            masks: MaskKind::RandomRegion { silhouettes: None },
            data: DataConfig::Facades { pictures: 4096 },
            augmentation: Augmentation::default(),
        }
    }
}

impl PretrainConfig {
    /// What fits into about a minute on two cores: few steps of a narrow network on small pictures.
    pub fn first_run() -> Self {
        let config = Self::default();
        Self {
            steps: 300,
            batch_size: 16,
            rate: Some(CENTRAL_RATE), // the paper's 1e-4 is for 100 000 steps
            workers: 1,
            sheet_every: 100,
            validate_every: 100,
            checkpoint_every: 100,
            model: config.model.with_size(131).with_width(16),
            ..config
        }
    }

    /// Two steps of a tiny network, to see that everything works.
    pub fn smoke(self) -> Self {
        Self {
            steps: 2,
            batch_size: 4,
            log_every: 1,
            validation_pictures: 4,
            model: self.model.with_size(99).with_width(4),
            ..self
        }
    }

    /// Reads a TOML file. It holds any of the keys, and nothing else: a misspelled key is an error.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be read, [`TrainError::Config`] with the offending key.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        overrides::load(path.as_ref(), Self::from_toml)
    }

    /// As [`load`](Self::load), from text.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the offending key.
    pub fn from_toml(text: &str) -> Result<Self, TrainError> {
        overrides::changed(&Self::default(), overrides::table(text)?)
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
        overrides::overridden(&self, assignment)
    }

    /// As the TOML text that [`load`](Self::load) reads.
    ///
    /// # Errors
    /// [`TrainError::Config`] when a path in it is not valid text.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        overrides::to_toml(self)
    }

    /// The same on a folder's pictures; their shorter side is made `resize` pixels, or what it was, or 256.
    pub fn with_folder(mut self, path: impl AsRef<Path>, resize: Option<u32>, strict: bool) -> Self {
        let resize = match &self.data {
            DataConfig::Facades { .. } => resize.or(Some(RESIZE)),
            DataConfig::Folder { .. } | DataConfig::Shards { .. } => resize,
        };
        self.data = self.data.in_folder(path.as_ref(), resize, strict);
        self
    }

    /// Adam's learning rate: the one that is set, else the paper's for these masks. It does not depend on the pretext,
    /// so that runs that differ in nothing else can be compared.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(match self.masks {
            MaskKind::Central { .. } => CENTRAL_RATE,
            MaskKind::RandomBlock | MaskKind::RandomRegion { .. } => RANDOM_RATE,
        })
    }

    /// Checks every field, and that they fit together.
    ///
    /// # Errors
    /// [`TrainError::Config`], [`TrainError::Model`] or [`TrainError::Mask`] with the key and what to write instead.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.model.validate()?;
        let rate = self.rate();
        if !(rate.is_finite() && rate > 0.0) {
            let reason = format!("rate is {rate}; write a number above 0 (1e-3 and 1e-4 in the paper)");
            return Err(TrainError::config(reason));
        }
        if self.pretext != Pretext::Context {
            self.pretext.masks(&self.masks)?; // reads no files
        }
        self.course().validate(&self.data, self.augmentation, &self.masks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_rates_follow_the_masks_unless_one_is_set() {
        let config = PretrainConfig::default();
        assert_eq!(config.rate(), 1e-4);
        assert_eq!(PretrainConfig { pretext: Pretext::Autoencoder, ..config.clone() }.rate(), 1e-4);
        let central = PretrainConfig { masks: MaskKind::Central { overlap: 0 }, ..config };
        assert_eq!(central.rate(), 1e-3);
        assert_eq!(PretrainConfig { rate: Some(2e-3), ..central }.rate(), 2e-3);
    }

    #[test]
    fn a_written_configuration_reads_back() {
        for pretext in Pretext::ALL {
            for rate in [None, Some(3e-4)] {
                let config = PretrainConfig { pretext, rate, ..PretrainConfig::first_run() };
                config.validate().expect("usable");
                let text = config.to_toml().expect("plain");
                assert_eq!(PretrainConfig::from_toml(&text).expect("own text"), config);
            }
        }
    }

    #[test]
    fn what_makes_no_run_is_refused_with_its_key() {
        let refusal = |assignment: &str| {
            let changed = PretrainConfig::default().with_override(assignment);
            changed.and_then(|config| config.validate()).expect_err(assignment).to_string()
        };
        assert!(refusal("model.size=128").contains("choose one of 99, 131"));
        assert!(refusal("rate=-1.0").contains("rate is -1"));
        assert!(refusal("pretext={kind=\"denoising\", dropped=1.0}").contains("above 0 and below 1"));
        assert!(refusal("pretext.dropped=0.5").contains("dropped"));
        assert!(refusal("pretext.kind=inpainting").contains("inpainting"));
        assert!(refusal("batch_size=1").contains("batch_size is 1"));
        assert!(refusal("generator_rate=1e-3").contains("generator_rate"));
        assert!(refusal("masks={kind=\"central\", overlap=60}").contains("leaves nothing hidden"));
    }

    #[test]
    fn a_folder_is_resized_as_for_alexnet_unless_told_otherwise() {
        let resize = |config: PretrainConfig| match config.data {
            DataConfig::Folder { resize, .. } => resize,
            other => panic!("{other:?}"),
        };
        let config = PretrainConfig::default().with_folder("p", None, false);
        assert_eq!(resize(config.clone()), 256);
        assert_eq!(resize(config.clone().with_folder("q", Some(300), false)), 300);
        assert_eq!(resize(config.with_folder("q", Some(300), false).with_folder("r", None, false)), 300);
    }
}
