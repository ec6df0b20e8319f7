//! What can go wrong between a pretrained encoder, a data set and a score.

use std::path::{Path, PathBuf};

use context_encoder_data::DataError;
use context_encoder_model::ModelError;

/// An error of this crate; each message names the file and says what to do. Wrong tensor shapes are the
/// caller's bug and panic instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Images could not be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A network could not be built, read or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A data set, or a part of it, is missing.
    #[error("{} is missing: {advice}", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
        /// What to put there.
        advice: String,
    },
    /// A file of a data set is malformed.
    #[error("{} is malformed: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// "read", "write" or "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A setting that makes no sense.
    #[error("wrong setting: {0}")]
    Settings(String),
    /// A loss that is NaN or infinite.
    #[error("the loss is not finite at step {step}: choose a lower learning rate")]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
    },
}

impl TransferError {
    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
