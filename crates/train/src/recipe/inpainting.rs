//! The recipe of inpainting.

use context_encoder_mask::MaskGenerator;
use context_encoder_model::InitialFill;

use super::{Asked, Course, Recipe};
use crate::{Augmentation, DataConfig, Learner, TrainConfig, TrainError, dataset::absolute};

impl Recipe for TrainConfig {
    type Learner = Learner;

    const CHECKPOINT: &'static str = "context-encoder.checkpoint";

    const CHANGEABLE: &'static [&'static str] = &[
        "steps",
        "generator_rate",
        "discriminator_rate",
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
            shares: self.shares,
            precision: self.precision,
            seed: self.seed,
            workers: self.workers,
            log_every: self.log_every,
            sheet_every: self.sheet_every,
            validate_every: self.validate_every,
            checkpoint_every: self.checkpoint_every,
            validation_pictures: self.validation_pictures,
            mask_sharing: self.mask_sharing,
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

    fn make_absolute(&mut self) {
        self.data = self.data.clone().absolute();
        self.begin_with = self.begin_with.take().map(absolute);
    }

    fn augmentation(&self) -> Augmentation {
        self.augmentation
    }

    fn fill(&self) -> InitialFill {
        self.model.fill
    }

    fn masks(&self) -> Result<Box<dyn MaskGenerator>, TrainError> {
        Ok(self.masks.build()?)
    }

    fn hidden(&self) -> String {
        self.masks.to_string()
    }

    fn asked(&self) -> Asked {
        Asked::Hidden
    }

    fn validate(&self) -> Result<(), TrainError> {
        Self::validate(self)
    }
}
