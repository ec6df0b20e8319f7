//! Everything that a run depends on.

use std::path::PathBuf;

use context_encoder_data::MaskSharing;
use context_encoder_loss::{Average, Objective, Reconstruction};
use context_encoder_mask::MaskKind;
use context_encoder_model::{ModelConfig, Precision, Prediction, Preset};
use serde::{Deserialize, Serialize};

use crate::{Augmentation, DataConfig, Schedule, TrainError, recipe::Recipe};

/// Everything that a training run depends on.
///
/// Two runs of equal configuration on the same kind of device give equal weights.
///
/// | key | meaning | `recommended` | `paper` | `authors` |
/// |---|---|---|---|---|
/// | `model` | architecture | channel-wise | channel-wise | dense 4000, scrambled fill |
/// | `masks` | what is hidden | central, overlap 0 | central, overlap 7 | central, overlap 4 |
/// | `objective` | what the generator minimises | joint .999/.001 | joint .999/.001 | joint .999/.001 |
/// | `reconstruction` | distance and average (alike where the centre is predicted) | L2 by region | L2 by region | L2 by patch |
/// | `mask_sharing` | pictures that share a mask | none | none | those of a batch |
/// | `generator_rate` | Adam's learning rate | 2e-3 | 2e-3 | 2e-3 |
/// | `discriminator_rate` | Adam's learning rate | 2e-4 | 2e-4 | 2e-4 |
/// | `schedule` | how both rates change | constant | constant | constant |
/// | `averaging` | memory of the generator's running average, 0 for none | 0 | 0 | 0 |
/// | `augmentation` | what is varied beside place and side | nothing | nothing | nothing |
/// | `batch_size` | pictures a step | 64 | 64 | 64 |
/// | `shares` | parts of a batch that batch norm takes each by itself, 0 for one on each device | 0 | 0 | 0 |
/// | `precision` | in how many bits layers multiply: `f32`, `bf16`, `f16` | f32 | f32 | f32 |
/// | `begin_with` | the generator's first weights, a file | fresh | fresh | fresh |
///
/// ```
/// use context_encoder_train::{Preset, TrainConfig};
///
/// let config = TrainConfig::preset(Preset::Paper);
/// assert_eq!(config.masks.to_string(), "central, overlap 7 px");
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Optimiser steps in all.
    pub steps: u64,
    /// Pictures a step, at least 2.
    pub batch_size: usize,
    /// Decides first weights, order, crops, flips and masks.
    pub seed: u64,
    /// Learning rate of the generator's Adam.
    pub generator_rate: f64,
    /// Learning rate of the discriminator's Adam.
    pub discriminator_rate: f64,
    /// How both rates change in the course of the run.
    #[serde(default)]
    pub schedule: Schedule,
    /// Share of the generator's running average that every step keeps, 0 to below 1; the average is then what is
    /// validated and saved. 0 for none.
    #[serde(default)]
    pub averaging: f64,
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
    /// Which pictures of a batch share a mask.
    pub mask_sharing: MaskSharing,
    /// Equal parts of a batch that batch norm takes each by itself, as that many devices do; 0 for one on each device.
    /// With it, a run learns the same on any number of devices.
    #[serde(default)]
    pub shares: usize,
    /// In how many bits layers multiply; weights, batch norm, losses and Adam have 32 whatever it is.
    #[serde(default)]
    pub precision: Precision,
    /// Architecture.
    pub model: ModelConfig,
    /// Weights that the generator begins with, of the same architecture; fresh ones without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin_with: Option<PathBuf>,
    /// What is hidden.
    pub masks: MaskKind,
    /// What the generator minimises.
    pub objective: Objective,
    /// How distance from the truth is measured.
    pub reconstruction: Reconstruction,
    /// Where pictures come from.
    pub data: DataConfig,
    /// What is varied in them.
    #[serde(default)]
    pub augmentation: Augmentation,
}

impl Default for TrainConfig {
    /// [`Preset::Recommended`].
    fn default() -> Self {
        Self::preset(Preset::Recommended)
    }
}

impl TrainConfig {
    /// What fits into a few minutes on two cores, one with AVX-512: many small steps of a narrow network.
    pub fn first_run() -> Self {
        let config = Self::default();
        Self {
            steps: 800,
            batch_size: 16,
            generator_rate: 5e-4, // the paper's 2e-3 is for batches of 64
            workers: 1,
            sheet_every: 100,
            validate_every: 100,
            checkpoint_every: 100,
            model: config.model.with_width(32),
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
            model: self.model.with_size(64).with_width(4),
            ..self
        }
    }

    /// The configuration of a named preset, on the built-in facades.
    pub fn preset(preset: Preset) -> Self {
        let (overlap, average, mask_sharing) = match preset {
            Preset::Paper => (7, Average::Region, MaskSharing::EachPicture),
            Preset::Authors => (4, Average::Patch, MaskSharing::EachBatch),
            // Nothing visible where the network must predict: all of the square is asked of it.
            _ => (0, Average::Region, MaskSharing::EachPicture),
        };
        Self {
            steps: 10_000,
            batch_size: 64,
            seed: 0,
            generator_rate: 2e-3,
            discriminator_rate: 2e-4,
            schedule: Schedule::Constant,
            averaging: 0.0,
            workers: 2,
            log_every: 10,
            sheet_every: 500,
            validate_every: 500,
            checkpoint_every: 500,
            validation_pictures: 64,
            mask_sharing,
            shares: 0,
            precision: Precision::F32,
            model: ModelConfig::preset(preset),
            begin_with: None,
            masks: MaskKind::Central { overlap },
            objective: Objective::joint(),
            reconstruction: Reconstruction { average, ..Reconstruction::default() },
            data: DataConfig::Facades { pictures: 4096 },
            augmentation: Augmentation::default(),
        }
    }

    /// Checks every field, and that they fit together.
    ///
    /// # Errors
    /// [`TrainError::Config`] or [`TrainError::Model`] with the key and what to write instead.
    pub fn validate(&self) -> Result<(), TrainError> {
        let refuse = |reason: String| Err(TrainError::config(reason));
        self.model.validate()?;
        for (key, rate) in
            [("generator_rate", self.generator_rate), ("discriminator_rate", self.discriminator_rate)]
        {
            if !(rate.is_finite() && rate > 0.0) {
                return refuse(format!(
                    "{key} is {rate}; write a number above 0 (2e-3 and 2e-4 in the paper)"
                ));
            }
        }
        if !(0.0..1.0).contains(&self.averaging) {
            return refuse(format!("averaging is {}; write 0 for none, or such as 0.999", self.averaging));
        }
        let (batch, shares) = (self.batch_size, self.shares);
        if shares > 0 && !(batch.is_multiple_of(shares) && batch / shares >= 2) {
            return refuse(format!(
                "shares is {shares}, and a batch of {batch} has no such equal parts of 2 pictures or more; write 0 or a \
                 divisor of {batch} up to {}",
                batch / 2
            ));
        }
        let weights = match self.objective {
            Objective::Joint { reconstruction, adversarial } => [reconstruction, adversarial],
            _ => [1.0, 1.0],
        };
        if weights
            .iter()
            .chain([&self.reconstruction.overlap_weight])
            .any(|weight| !(weight.is_finite() && *weight >= 0.0))
        {
            return refuse("a weight in `objective` or `reconstruction` is negative or no number".to_owned());
        }
        self.course().validate(&self.data, self.augmentation, &self.masks)?;
        let central = matches!(self.masks, MaskKind::Central { .. });
        if self.model.prediction == Prediction::Centre && !central {
            return refuse(format!(
                "the model predicts the centre but the masks are {}; write model.prediction = \"whole\"",
                self.masks
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_usable_and_differ_as_tabled() {
        for preset in Preset::ALL {
            TrainConfig::preset(preset).validate().expect("usable");
        }
        let [paper, authors, recommended] = Preset::ALL.map(TrainConfig::preset);
        assert_eq!(paper.masks, MaskKind::Central { overlap: 7 });
        assert_eq!(authors.reconstruction.average, Average::Patch);
        assert_eq!(recommended.masks, MaskKind::Central { overlap: 0 });
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_its_key() {
        let refusal = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().expect_err("unusable").to_string()
        };
        assert!(refusal(|c| c.batch_size = 1).contains("batch_size is 1; write 2 to"));
        assert!(refusal(|c| c.workers = 100_000).contains("workers is 100000"));
        assert!(refusal(|c| c.masks = MaskKind::Central { overlap: 32 }).contains("leaves nothing hidden"));
        assert!(
            refusal(|c| c.data = DataConfig::Folder {
                path: "p".into(),
                resize: 60,
                strict: false,
                cache_mib: 1024,
                without: None
            })
            .contains("data.resize is 60")
        );
        assert!(refusal(|c| c.generator_rate = f64::NAN).contains("generator_rate is NaN"));
        assert!(refusal(|c| c.masks = MaskKind::RandomBlock).contains("model.prediction = \"whole\""));
        assert!(refusal(|c| c.shares = 3).contains("a divisor of 64 up to 32"));
        assert!(refusal(|c| c.averaging = 1.0).contains("averaging is 1"));
        assert!(refusal(|c| c.augmentation.smallest = 100).contains("shorter sides from 100 to 160"));
        assert!(refusal(|c| c.log_every = 0).contains("log_every"));
        assert!(refusal(|c| c.model.size = 100).contains("choose 64, 128 or 256"));
        assert!(refusal(|c| c.reconstruction.overlap_weight = -1.0).contains("negative"));
    }
}
