//! Which weights are used.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::{Result, miette};

/// The choice of weights.
#[derive(Args)]
pub struct WeightsChoice {
    /// Weights that a training run wrote (model.safetensors)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl WeightsChoice {
    /// The file that was named.
    ///
    /// # Errors
    /// When none was: the program has no weights of its own yet.
    pub fn file(&self) -> Result<&Path> {
        self.weights.as_deref().ok_or_else(|| {
            miette!(
                help = "train some with `context-encoder train` (minutes on a processor), then name them: \
                        `--weights runs/paris/model.safetensors`",
                "no weights were named, and this program comes without weights of its own"
            )
        })
    }
}
