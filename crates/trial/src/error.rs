//! What can go wrong before anything was compared or measured.

use context_encoder_inpaint::InpaintError;
use context_encoder_mask::MaskError;
use context_encoder_model::ModelError;
use context_encoder_train::TrainError;

/// A trial that could not be held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// A network could not be built, written or read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A run could not be started or go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A picture could not be filled.
    #[error(transparent)]
    Inpaint(#[from] InpaintError),
    /// A mask could not be made.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// The folder for files of passage.
    #[error("a folder for temporary files cannot be made: {0}; set TMPDIR to a folder that can be written")]
    Folder(#[from] std::io::Error),
    /// What the device answered cannot be read.
    #[error("the device's answer cannot be read: {0}")]
    Unreadable(String),
}
