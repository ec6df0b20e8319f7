//! A tiny devkit in a folder that goes away, for trials.

use std::path::{Path, PathBuf};

use context_encoder::transfer::voc::tiny;
use miette::{IntoDiagnostic, Result};

/// Pictures in the devkit: four to learn from.
const PICTURES: usize = 6;

/// A folder with a tiny devkit, removed when it is dropped.
pub struct SmokeDir(PathBuf);

impl SmokeDir {
    pub fn draw() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("context-encoder-trial-{}", std::process::id()));
        let trial = Self(folder);
        tiny::draw(trial.path(), PICTURES, 0).into_diagnostic()?;
        Ok(trial)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmokeDir {
    fn drop(&mut self) {
        // What cannot be removed from the system's folder for such things is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
