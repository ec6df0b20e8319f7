//! Arguments that say which weights are used.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use context_encoder::{Device, Inpainter, Model};
use miette::{IntoDiagnostic, Result, WrapErr};
use sha2::{Digest, Sha256};

/// Weights of an inpainting network.
#[derive(Args)]
pub struct WeightsArgs {
    /// Weights that a training run wrote (model.safetensors), instead of those that come with the program
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl WeightsArgs {
    /// An inpainter with the network of [`model`](Self::model).
    pub fn inpainter(&self, device: &Device) -> Result<Inpainter> {
        Ok(Inpainter::new(&self.model(device)?, device))
    }

    /// The network in the file that was named, else the one that comes with the program (feature
    /// `pretrained`).
    pub fn model(&self, device: &Device) -> Result<Model> {
        match &self.weights {
            Some(path) => Model::load(path, device).into_diagnostic(),
            None => pretrained(device),
        }
    }

    pub fn file(&self) -> Option<&Path> {
        self.weights.as_deref()
    }

    /// The hash of the file, to tell these weights from others.
    pub fn identity(&self) -> Result<String> {
        let hashed = |bytes: &[u8]| {
            let hash = Sha256::digest(bytes);
            hash[..8].iter().fold("weights ".to_owned(), |text, byte| text + &format!("{byte:02x}"))
        };
        match &self.weights {
            Some(path) => {
                let bytes = fs::read(path)
                    .into_diagnostic()
                    .wrap_err_with(|| format!("cannot read {}", path.display()))?;
                Ok(hashed(&bytes))
            }
            None => Ok(hashed(pretrained_weights())),
        }
    }
}

#[cfg(feature = "pretrained")]
fn pretrained(device: &Device) -> Result<Model> {
    context_encoder::inpaint::pretrained(device).into_diagnostic()
}

#[cfg(feature = "pretrained")]
fn pretrained_weights() -> &'static [u8] {
    context_encoder::inpaint::pretrained_weights()
}

#[cfg(not(feature = "pretrained"))]
fn pretrained_weights() -> &'static [u8] {
    &[]
}

#[cfg(not(feature = "pretrained"))]
fn pretrained(_: &Device) -> Result<Model> {
    Err(miette::miette!(
        help = "train some with `context-encoder train` (minutes on a processor), then name them: \
                `--weights runs/paris/model.safetensors`; or build with `--features pretrained`",
        "no weights were named, and this program was built without pretrained weights"
    ))
}
