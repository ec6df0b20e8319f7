//! How a network's weights came about.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::safetensors::{TRAINING_KEY, header, parse, read};
use crate::ModelError;

/// How a network's weights came about; kept in the weights file beside the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Optimiser steps of the generator.
    pub steps: u64,
    /// Pictures seen, batch size times steps.
    pub samples: u64,
    /// What was hidden during training, in words.
    pub masks: String,
    /// What it was trained on, in words.
    pub data: String,
}

impl TrainingRecord {
    /// Reads the record from a weights file, if it has one.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read, [`ModelError::NotWeights`] when it is no
    /// safetensors file or its record is damaged.
    pub fn load(path: impl AsRef<Path>) -> Result<Option<Self>, ModelError> {
        let path = path.as_ref();
        let Some(text) = header(&read(path)?, TRAINING_KEY, path)? else { return Ok(None) };
        parse(&text, path).map(Some)
    }
}
