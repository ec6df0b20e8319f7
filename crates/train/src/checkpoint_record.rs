//! What a checkpoint says of itself.

use std::path::Path;

use crate::{TrainConfig, TrainError, bundle, recipe::Recipe};

/// What the checkpoint of a [`Run`](crate::Run) says of itself; its tensors are not read.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_train::{CheckpointRecord, Run, TrainConfig};
///
/// # let folder = tempfile::tempdir()?;
/// let mut config = TrainConfig::from_toml("steps = 1\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2")?;
/// config.model = config.model.with_size(64).with_width(2);
/// let summary = Run::start(config, folder.path(), &Device::flex())?.train(&mut ())?;
/// let record = CheckpointRecord::load(&summary.checkpoint)?;
/// assert_eq!((record.step, record.config.model.size), (1, 64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type CheckpointRecord = Checkpoint<TrainConfig>;

/// What a checkpoint says of itself: [`CheckpointRecord`] for inpainting, `Checkpoint<PretrainConfig>` for features.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint<C> {
    /// Steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: u64,
    /// Everything that the run depends on.
    pub config: C,
}

impl<C: Recipe> Checkpoint<C> {
    /// Reads it from `checkpoint.bpk`.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be read, [`TrainError::Checkpoint`] when it is no checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let (_, header) = bundle::open::<C>(path.as_ref())?;
        Ok(Self { step: header.step, epoch: header.epoch, config: header.config })
    }
}
