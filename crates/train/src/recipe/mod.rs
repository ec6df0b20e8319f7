//! What a run asks of a configuration, and of what learns by it.
//!
//! A run is the same whatever is learned: steps, log, sheets, validation, checkpoints. [`Recipe`] is a configuration,
//! [`Learn`] what it trains; [`TrainConfig`](crate::TrainConfig) with [`Learner`](crate::Learner) is one pair,
//! [`PretrainConfig`](crate::PretrainConfig) with [`FeatureLearner`](crate::FeatureLearner) the other.

mod features;
mod inpainting;

use std::path::Path;

use burn::tensor::Device;
use context_encoder_data::{InpaintingBatch, MaskSharing};
use context_encoder_inpaint::Fill;
use context_encoder_mask::{MaskGenerator, MaskKind};
use context_encoder_model::{InitialFill, Precision, SaveOptions};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Augmentation, DataConfig, StepTerms, TrainError,
    bundle::{Packing, Unpacking},
    parallel::Seat,
};

/// Everything that a run depends on. Implemented by this crate's configurations only.
pub trait Recipe: Clone + Serialize + DeserializeOwned {
    /// What is trained.
    type Learner: Learn<Recipe = Self> + Send + 'static;

    /// Key of the header in this recipe's checkpoints.
    const CHECKPOINT: &'static str;

    /// Keys that may change when a run goes on.
    const CHANGEABLE: &'static [&'static str];

    /// What every run has.
    fn course(&self) -> Course;

    /// Sets the steps in all.
    fn set_steps(&mut self, steps: u64);

    /// Where pictures come from.
    fn data(&self) -> &DataConfig;

    /// The same, to be changed.
    fn data_mut(&mut self) -> &mut DataConfig;

    /// Makes its paths independent of the current folder.
    fn make_absolute(&mut self) {
        *self.data_mut() = self.data().clone().absolute();
    }

    /// What is varied in them.
    fn augmentation(&self) -> Augmentation;

    /// What stands in for hidden pixels.
    fn fill(&self) -> InitialFill;

    /// Draws what is hidden.
    fn masks(&self) -> Result<Box<dyn MaskGenerator>, TrainError>;

    /// What is hidden, in words.
    fn hidden(&self) -> String;

    /// Which pixels are asked of the network.
    fn asked(&self) -> Asked;

    /// Checks every field, and that they fit together.
    fn validate(&self) -> Result<(), TrainError>;
}

/// The numbers that every run has.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Optimiser steps in all.
    pub steps: u64,
    /// Pictures a step.
    pub batch_size: usize,
    /// Parts of a batch that are normalised each by its own statistics; 0 for one on each device.
    pub shares: usize,
    /// In how many bits layers multiply.
    pub precision: Precision,
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Threads that prepare pictures.
    pub workers: usize,
    /// Steps between readings of the device.
    pub log_every: u64,
    /// Steps between sheets of samples; 0 for none.
    pub sheet_every: u64,
    /// Steps between validations; 0 for one at the end only.
    pub validate_every: u64,
    /// Steps between checkpoints; 0 for one at the end only.
    pub checkpoint_every: u64,
    /// Pictures to validate on, at most.
    pub validation_pictures: usize,
    /// Which pictures of a batch share a mask.
    pub mask_sharing: MaskSharing,
    /// Side of the network's pictures, pixels.
    pub size: usize,
}

/// Which pixels of a picture are asked of a network, by loss and scores alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Those that are hidden from it.
    Hidden,
    /// All of them.
    Everything,
}

/// A network that learns from batches, with everything that its next step depends on.
pub trait Learn: Sized {
    /// Its configuration.
    type Recipe;

    /// A fresh one; `device` is turned to autodiff.
    fn new(config: &Self::Recipe, device: &Device) -> Result<Self, TrainError>;

    /// One at the beginning of a run: fresh, unless the configuration names weights to begin with.
    fn begin(config: &Self::Recipe, device: &Device) -> Result<Self, TrainError> {
        Self::new(config, device)
    }

    /// Takes the learning rates of a configuration, the steps over which they change, and the precision.
    fn set_rates(&mut self, config: &Self::Recipe);

    /// Says how many steps were done, after weights have been read.
    fn set_step(&mut self, step: u64);

    /// Becomes one of several replicas: from now on a batch is its share of a larger one.
    fn join(self, seat: Seat) -> Self;

    /// One step: state and batch in, state and report out.
    fn step(self, batch: &InpaintingBatch) -> (Self, StepTerms);

    /// Parameters of the network that is asked.
    fn parameters(&self) -> usize;

    /// The network as it stands, ready to be measured. It gives back what it is
    /// [`Asked`], and everything else bit for bit.
    fn filler(&self, device: &Device) -> Box<dyn Fill>;

    /// Writes the weights that the run is for.
    fn save(&self, options: &SaveOptions, path: &Path) -> Result<(), TrainError>;

    /// Puts all of its tensors into a checkpoint.
    fn pack(&self, packing: &mut Packing<'_>) -> Result<(), TrainError>;

    /// Takes them out again.
    fn unpack(self, unpacking: &mut Unpacking<'_>) -> Result<Self, TrainError>;
}

impl Course {
    /// Checks the numbers, and those of data, augmentation and masks that depend on the pictures' side.
    pub(crate) fn validate(
        self,
        data: &DataConfig,
        augmentation: Augmentation,
        masks: &MaskKind,
    ) -> Result<(), TrainError> {
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
        data.validate(self.size as u32)?;
        augmentation.validate(data, self.size as u32)?;
        if let &MaskKind::Central { overlap } = masks
            && overlap as usize >= self.size / 4
        {
            return refuse(format!(
                "masks.overlap is {overlap}, which leaves nothing hidden; write less than {}",
                self.size / 4
            ));
        }
        Ok(())
    }
}
