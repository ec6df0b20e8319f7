//! Errors of training runs.

use std::path::{Path, PathBuf};

use context_encoder_data::DataError;
use context_encoder_eval::EvalError;
use context_encoder_inpaint::InpaintError;
use context_encoder_mask::MaskError;
use context_encoder_model::ModelError;

/// An error of this crate; each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Pictures could not be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Masks could not be made.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A network could not be built, read or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Pictures could not be filled.
    #[error(transparent)]
    Inpaint(#[from] InpaintError),
    /// Pictures could not be written.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A configuration that makes no run.
    #[error("the configuration{} is not usable: {reason}", path.as_ref().map(|p| format!(" {}", p.display())).unwrap_or_default())]
    Config {
        /// The file it came from, if it came from one.
        path: Option<PathBuf>,
        /// The key, and what to write instead.
        reason: String,
    },
    /// A file or folder of a run could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read", "write", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A new run in the folder of another.
    #[error("{} already holds a run; resume it, or choose another folder", folder.display())]
    Occupied {
        /// The run's folder.
        folder: PathBuf,
    },
    /// A folder that another program is training in.
    #[error("another run is under way in {}; wait for it, or choose another folder", folder.display())]
    InUse {
        /// The run's folder.
        folder: PathBuf,
    },
    /// A checkpoint that cannot be resumed from.
    #[error("{} is no usable checkpoint: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A loss or a weight that is NaN or infinite.
    #[error(
        "{what} is not a finite number at step {step}; no checkpoint was overwritten; resume with lower learning rates \
         (from checkpoint.previous.bpk if the newest has gone wrong already), or start anew"
    )]
    NotFinite {
        /// Which number.
        what: String,
        /// The step, counted from 1.
        step: u64,
    },
}

impl TrainError {
    pub(crate) fn config(reason: impl Into<String>) -> Self {
        Self::Config { path: None, reason: reason.into() }
    }

    /// Turns the system's error into this one.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
