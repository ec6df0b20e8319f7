//! The recipe of feature learning.

use context_encoder_data::MaskSharing;
use context_encoder_mask::MaskGenerator;
use context_encoder_model::InitialFill;

use super::{Asked, Course, Recipe};
use crate::{Augmentation, DataConfig, FeatureLearner, PretrainConfig, TrainError};

impl Recipe for PretrainConfig {
    type Learner = FeatureLearner;

    const CHECKPOINT: &'static str = "context-encoder.pretraining-checkpoint";

    const CHANGEABLE: &'static [&'static str] = &[
        "steps",
        "rate",
        "precision",
        "workers",
        "data.cache_mib",
        "log_every",
        "sheet_every",
        "validate_every",
        "checkpoint_every",
    ];

    fn course(&self) -> Course {
        Course {
            steps: self.steps,
            batch_size: self.batch_size,
            shares: 0, // no batch norm
            precision: self.precision,
            seed: self.seed,
            workers: self.workers,
            log_every: self.log_every,
            sheet_every: self.sheet_every,
            validate_every: self.validate_every,
            checkpoint_every: self.checkpoint_every,
            validation_pictures: self.validation_pictures,
            mask_sharing: MaskSharing::EachPicture,
            size: self.model.size,
        }
    }

    fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    fn data(&self) -> &DataConfig {
        &self.data
    }

    fn data_mut(&mut self) -> &mut DataConfig {
        &mut self.data
    }

    fn augmentation(&self) -> Augmentation {
        self.augmentation
    }

    fn fill(&self) -> InitialFill {
        self.model.fill
    }

    fn masks(&self) -> Result<Box<dyn MaskGenerator>, TrainError> {
        self.pretext.masks(&self.masks)
    }

    fn hidden(&self) -> String {
        self.pretext.describe(&self.masks)
    }

    fn asked(&self) -> Asked {
        self.pretext.asked()
    }

    fn validate(&self) -> Result<(), TrainError> {
        Self::validate(self)
    }
}
