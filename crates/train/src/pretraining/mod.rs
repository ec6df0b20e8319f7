//! Feature learning: the AlexNet-style network trained by reconstruction, and its baselines (paper, section 5.2).

mod config;
mod learner;
mod pretext;
mod reconstructor;

pub use config::PretrainConfig;
pub use learner::FeatureLearner;
pub use pretext::Pretext;

use crate::Training;

/// A run that trains a network for its features.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_model::FeatureEncoder;
/// use context_encoder_train::{PretrainConfig, Pretraining};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("run");
/// let config = PretrainConfig::default().smoke();
/// let summary = Pretraining::start(config, &folder, &Device::flex())?.train(&mut ())?;
/// let encoder = FeatureEncoder::load(&summary.weights, &Device::flex())?;
/// assert_eq!(encoder.config().size, 99);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Pretraining = Training<PretrainConfig>;
