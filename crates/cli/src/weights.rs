//! Which weights are used.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{Device, Inpainter};
use miette::{IntoDiagnostic, Result, miette};

/// The choice of weights.
#[derive(Args)]
pub struct WeightsChoice {
    /// Weights that a training run wrote (model.safetensors)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl WeightsChoice {
    /// What fills with them.
    ///
    /// # Errors
    /// When none were named: the program has no weights of its own yet.
    pub fn inpainter(&self, device: &Device) -> Result<Inpainter> {
        match &self.weights {
            Some(path) => Inpainter::load(path, device).into_diagnostic(),
            None => Err(miette!(
                help = "train some with `context-encoder train` (minutes on a processor), then name them: \
                        `--weights runs/paris/model.safetensors`",
                "no weights were named, and this program comes without weights of its own"
            )),
        }
    }
}
