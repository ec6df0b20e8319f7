//! Where an encoder comes from.

use std::path::PathBuf;

use burn::tensor::Device;
use context_encoder_model::{FeatureEncoder, FeatureModelConfig};

use crate::TransferError;

/// Where an encoder comes from. Weights that do not fit are an error that names them; only [`Source::Random`]
/// is random.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_model::FeatureModelConfig;
/// use context_encoder_transfer::Source;
///
/// let config = FeatureModelConfig::alexnet().with_width(4).with_size(99);
/// let encoder = Source::Random { config, seed: 0 }.load(&Device::flex())?;
/// assert_eq!(encoder.config().map_side(), 2);
/// assert!(Source::File("absent.safetensors".into()).load(&Device::flex()).is_err());
/// # Ok::<(), context_encoder_transfer::TransferError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Fresh weights.
    Random {
        /// What the encoder looks like.
        config: FeatureModelConfig,
        /// What its weights are drawn from.
        seed: u64,
    },
    /// A file that pretraining wrote, whose header says what the encoder looks like.
    File(PathBuf),
    /// Any safetensors file with the encoder's names.
    Plain {
        /// The file.
        path: PathBuf,
        /// What the encoder looks like.
        config: FeatureModelConfig,
    },
}

impl Source {
    /// The encoder on a device.
    ///
    /// # Errors
    /// [`TransferError::Model`] names every tensor that is missing, misshapen or without a place.
    pub fn load(&self, device: &Device) -> Result<FeatureEncoder, TransferError> {
        Ok(match self {
            Self::Random { config, seed } => config.init_seeded(*seed, device)?.into_encoder(),
            Self::File(path) => FeatureEncoder::load(path, device)?,
            Self::Plain { path, config } => config.load_encoder(path, device)?,
        })
    }
}
