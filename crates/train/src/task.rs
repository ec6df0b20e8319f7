//! What a run trains: a configuration and its trainer.

use std::{path::Path, sync::Arc};

use burn::tensor::Device;
use context_encoder_data::{InpaintingBatch, MaskSharing};
use context_encoder_inpaint::Fill;
use context_encoder_mask::MaskGenerator;
use context_encoder_model::{InitialFill, SaveOptions};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Losses, RunSettings, TrainError, TrainStep,
    checkpoint::{CheckpointReader, CheckpointWriter},
    data_parallel::Rank,
};

/// A configuration of a run: [`TrainConfig`](crate::TrainConfig) for inpainting,
/// [`PretrainConfig`](crate::PretrainConfig) for features. Implemented by these only.
pub trait Task: Clone + Serialize + DeserializeOwned {
    /// What it trains.
    type Trainer: Trainer<Config = Self> + Send + 'static;

    /// Key of the header in its checkpoints.
    const CHECKPOINT_KEY: &'static str;

    /// Keys of its learning rates, which may change when a run is resumed.
    const LEARNING_RATES: &'static [&'static str];

    /// What every run has.
    fn run(&self) -> &RunSettings;

    /// The same, to be changed.
    fn run_mut(&mut self) -> &mut RunSettings;

    /// Ghost batches of batch norm; 0 for one on each device.
    fn ghost_batches(&self) -> usize {
        0
    }

    /// What the network is given and what the loss is over. Reads files of silhouettes, where masks have
    /// some.
    fn batch_spec(&self) -> Result<BatchSpec, TrainError>;

    /// Makes its paths independent of the current folder.
    fn make_paths_absolute(&mut self) {
        self.run_mut().data.make_paths_absolute();
    }

    /// Checks every field, and that they fit together.
    fn validate(&self) -> Result<(), TrainError>;
}

/// What the network is given and what the loss is over.
pub struct BatchSpec {
    /// Side of the network's pictures, pixels.
    pub size: usize,
    /// What stands in for hidden pixels.
    pub fill: InitialFill,
    /// Draws what is hidden.
    pub masks: Arc<dyn MaskGenerator>,
    /// What is hidden, in words.
    pub masks_description: String,
    /// Which pictures of a batch share a mask.
    pub mask_sharing: MaskSharing,
    /// Which pixels loss and scores are over.
    pub loss_region: LossRegion,
}

/// Which pixels of a picture loss and scores are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossRegion {
    /// Those that are hidden from the network.
    Hidden,
    /// All of them.
    Whole,
}

/// A network that is trained, with everything that its next step depends on.
pub trait Trainer: TrainStep<Batch = InpaintingBatch, Losses = Losses> {
    /// Its configuration.
    type Config;

    /// A fresh one; `device` is turned to autodiff.
    fn new(config: &Self::Config, device: &Device) -> Result<Self, TrainError>;

    /// One at the start of a run: fresh, unless the configuration names initial weights.
    fn start(config: &Self::Config, device: &Device) -> Result<Self, TrainError> {
        Self::new(config, device)
    }

    /// Takes a configuration's learning rates, the steps over which they change, and the precision.
    fn set(&mut self, config: &Self::Config);

    /// Replays recorded steps from now on, where it can.
    fn recording_steps(self) -> Self;

    /// Why it does not, where recording a step failed.
    fn recording_failed(&self) -> Option<&str>;

    /// Becomes one of several ranks: from now on a batch is its part of a larger one.
    fn join(self, rank: Rank) -> Self;

    /// Number of parameters of the network that the run is for.
    fn parameter_count(&self) -> usize;

    /// The network as it stands, in evaluation. It predicts the pixels of its [`LossRegion`]; everything else
    /// stays bit for bit.
    fn filler(&self, device: &Device) -> Box<dyn Fill>;

    /// Writes the weights that the run is for.
    fn save_weights(&self, options: &SaveOptions, path: &Path) -> Result<(), TrainError>;

    /// Adds all of its tensors to a checkpoint.
    fn write(&self, writer: &mut CheckpointWriter<'_>) -> Result<(), TrainError>;

    /// Takes them from a checkpoint.
    fn read(self, reader: &mut CheckpointReader<'_>) -> Result<Self, TrainError>;
}
