//! The settings that every training run has.

use context_encoder_mask::MaskKind;
use context_encoder_model::Precision;
use serde::{Deserialize, Serialize};

use crate::{Augmentation, DataConfig, Scenes, TrainError};

/// The settings that every training run has, whatever it trains. In files, `--set` and checkpoints these keys
/// stand beside those of the configuration that holds them: `steps`, not `run.steps`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Optimization steps in all, 10 000 by default; 0 leaves the weights as they are initialized.
    pub steps: u64,
    /// Pictures a step, 64 by default, at least 2.
    pub batch_size: usize,
    /// Decides initial weights, order, crops, flips, masks and dropout.
    pub seed: u64,
    /// Compute precision of the layers; weights, batch norm, losses and Adam have 32 bits whatever it is.
    #[serde(default)]
    pub precision: Precision,
    /// Threads that prepare pictures, 2 by default; never changes a batch.
    pub workers: usize,
    /// Steps between readings of the device, for log and progress, 10 by default.
    pub log_every: u64,
    /// Steps between image grids of samples, 500 by default; 0 for none.
    pub samples_every: u64,
    /// Steps between validations, 500 by default; 0 for one at the end only.
    pub validate_every: u64,
    /// Steps between checkpoints, 500 by default; 0 for one at the end only.
    pub checkpoint_every: u64,
    /// Pictures of the validation split that are used, 64 at most by default.
    pub validation_pictures: usize,
    /// Where pictures come from, the built-in facades by default.
    pub data: DataConfig,
    /// What is varied in them.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// What is to be said about how the settings were written.
    #[doc(hidden)]
    #[serde(skip)]
    pub remarks: Remarks,
}

/// Remarks for who wrote a configuration, such as the new name of a key. Configurations that differ in
/// nothing else are equal.
#[derive(Clone, Debug, Default)]
pub struct Remarks(pub(crate) Vec<String>);

impl Remarks {
    /// Each remark once, however often its cause was written.
    pub(crate) fn add(&mut self, remarks: Vec<String>) {
        for remark in remarks {
            if !self.0.contains(&remark) {
                self.0.push(remark);
            }
        }
    }

    /// Names the new keys in an error that speaks of them to somebody who wrote the old ones.
    pub(crate) fn explain(&self, error: TrainError) -> TrainError {
        match error {
            TrainError::Config { path, reason } if !self.0.is_empty() => {
                TrainError::Config { path, reason: format!("{reason} ({})", self.0.join("; ")) }
            }
            other => other,
        }
    }
}

impl PartialEq for Remarks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            steps: 10_000,
            batch_size: 64,
            seed: 0,
            precision: Precision::F32,
            workers: 2,
            log_every: 10,
            samples_every: 500,
            validate_every: 500,
            checkpoint_every: 500,
            validation_pictures: 64,
            data: DataConfig::Facades { pictures: 4096, scenes: Scenes::Fronts },
            augmentation: Augmentation::default(),
            remarks: Remarks::default(),
        }
    }
}

impl RunSettings {
    /// So many small steps, looked at every hundred.
    pub(crate) fn first_run(steps: u64) -> Self {
        Self {
            steps,
            batch_size: 16,
            workers: 1,
            samples_every: 100,
            validate_every: 100,
            checkpoint_every: 100,
            ..Self::default()
        }
    }

    /// Two steps, to see that everything works.
    pub(crate) fn smoke(self) -> Self {
        Self { steps: 2, batch_size: 4, log_every: 1, validation_pictures: 4, ..self }
    }

    /// Checks every field, and the masks, for pictures of `size` pixels.
    pub(crate) fn validate(&self, size: usize, masks: &MaskKind) -> Result<(), TrainError> {
        let refuse = |reason: String| Err(TrainError::config(reason));
        if self.log_every == 0 {
            return refuse(
                "log_every is 0; write how many steps lie between readings, such as 10".to_owned(),
            );
        }
        for (key, number, range) in [
            ("batch_size", self.batch_size, 2..=65_536),
            ("workers", self.workers, 0..=256),
            ("validation_pictures", self.validation_pictures, 1..=4096),
        ] {
            if !range.contains(&number) {
                return refuse(format!("{key} is {number}; write {} to {}", range.start(), range.end()));
            }
        }
        self.data.validate(size as u32)?;
        self.augmentation.validate(&self.data, size as u32)?;
        if let &MaskKind::Central { overlap } = masks
            && overlap as usize >= size / 4
        {
            return refuse(format!(
                "masks.overlap is {overlap}, which leaves nothing hidden; write less than {}",
                size / 4
            ));
        }
        Ok(())
    }
}

/// That a learning rate is one.
pub(crate) fn validate_lr(key: &str, lr: f64, paper: &str) -> Result<(), TrainError> {
    if lr.is_finite() && lr > 0.0 {
        return Ok(());
    }
    Err(TrainError::config(format!("{key} is {lr}; write a number above 0 ({paper} in the paper)")))
}
