//! Which weights are used.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{Device, Inpainter, Model};
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
    /// As for [`model`](Self::model).
    pub fn inpainter(&self, device: &Device) -> Result<Inpainter> {
        Ok(Inpainter::new(&self.model(device)?, device))
    }

    /// The network.
    ///
    /// # Errors
    /// When none were named: the program has no weights of its own yet.
    pub fn model(&self, device: &Device) -> Result<Model> {
        match &self.weights {
            Some(path) => Model::load(path, device).into_diagnostic(),
            None => Err(miette!(
                help = "train some with `context-encoder train` (minutes on a processor), then name them: \
                        `--weights runs/paris/model.safetensors`",
                "no weights were named, and this program comes without weights of its own"
            )),
        }
    }
}
