//! Checkpoints: one file, complete or absent, with everything that a resumed run needs.
//!
//! It is a burnpack: each network's tensors under its name with the identities that optimizer state is keyed
//! by, each optimizer's own burnpack as bytes under `optimizer.`, and the [`Header`] as text. See
//! `docs/checkpoints.md`.

mod reader;
mod run_folder;
mod writer;

use std::path::{Path, PathBuf};

use burn::store::burn_pack::Reader;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{TrainError, loss_scale::LossScale, overrides};

pub use reader::CheckpointReader;
pub(crate) use run_folder::RunFolder;
pub use writer::CheckpointWriter;

/// Version of the layout.
const FORMAT: u32 = 1;

/// What the keys of all headers begin with.
const KEYS: &str = "context-encoder.";

/// Everything beside tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    /// Steps done; the position in the data follows from it.
    pub(crate) step: u64,
    /// Epochs done, for readers.
    pub(crate) epoch: u64,
    /// The training pictures, by [`fingerprint`](context_encoder_data::ImageDataset::fingerprint).
    pub(crate) pictures: u64,
    /// Tensors in each optimizer's state, to tell whether all came back.
    pub(crate) optimizer_tensors: Vec<usize>,
    /// Of each model that has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) loss_scales: Vec<LossScale>,
    /// The run's configuration, keys flat as in files.
    config: serde_json::Value,
}

impl Header {
    /// The header of a run; optimizers and loss scales are still to come.
    pub(crate) fn new<C: Serialize>(
        config: &C,
        step: u64,
        epoch: u64,
        pictures: u64,
    ) -> Result<Self, TrainError> {
        let failed = |error: serde_json::Error| TrainError::config(error.to_string());
        let config = serde_json::to_value(overrides::to_table(config)?).map_err(failed)?;
        let (optimizer_tensors, loss_scales) = (Vec::new(), Vec::new());
        Ok(Self { format: FORMAT, step, epoch, pictures, optimizer_tensors, loss_scales, config })
    }

    /// Opens a checkpoint whose header has this key: its tensors, not read yet, and its header.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be read, [`TrainError::Checkpoint`] when it is none of this kind.
    pub(crate) fn open(path: &Path, key: &str) -> Result<(Reader, Self), TrainError> {
        std::fs::File::open(path).map_err(TrainError::io("read", path))?;
        let reader = Reader::from_file(path).map_err(|error| damaged(path, &error))?;
        let text = reader.metadata().get(key).ok_or_else(|| {
            let other = reader.metadata().keys().any(|key| key.starts_with(KEYS));
            unusable(
                path,
                if other {
                    "it belongs to the other kind of run: `train` and `pretrain` each continue their own"
                } else {
                    "it was not written by a training run"
                },
            )
        })?;
        let header: Self = serde_json::from_str(text).map_err(|error| not_understood(path, &error))?;
        if header.format != FORMAT {
            let reason = format!("its format is {}, this program reads {FORMAT}", header.format);
            return Err(unusable(path, reason));
        }
        Ok((reader, header))
    }

    /// The run's configuration, not validated.
    pub(crate) fn config<C: DeserializeOwned>(&self, path: &Path) -> Result<C, TrainError> {
        overrides::from_json(self.config.clone()).map_err(|reason| not_understood(path, &reason))
    }
}

/// Where the checkpoint before the newest is kept.
fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous.bpk")
}

/// The name of an optimizer's state in a checkpoint.
fn optimizer_name(model: &str) -> String {
    format!("optimizer.{model}")
}

fn unusable(path: &Path, reason: impl Into<String>) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), reason: reason.into() }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> TrainError {
    let previous = previous(path);
    let advice = if previous.exists() {
        let name = path.file_name().unwrap_or_default().display();
        format!("the one before it is {}: rename that to {name} to resume from there", previous.display())
    } else {
        "resume from a copy, or start anew in another folder".to_owned()
    };
    unusable(path, format!("it is damaged, cut short or of another format ({error}); {advice}"))
}

fn not_understood(path: &Path, error: &dyn std::fmt::Display) -> TrainError {
    unusable(path, format!("its header cannot be understood ({error}); it may come from another version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_damaged_checkpoint_names_the_one_before() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("checkpoint.bpk");
        std::fs::write(&path, "cut").expect("written");
        let error = || Header::open(&path, "any").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error().contains("resume from a copy"), "{}", error());
        std::fs::write(folder.path().join("checkpoint.previous.bpk"), "whole").expect("written");
        assert!(error().contains("checkpoint.previous.bpk: rename that to checkpoint.bpk"), "{}", error());
    }
}
