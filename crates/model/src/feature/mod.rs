//! The AlexNet-style network that learns features by inpainting (paper, sections 3.1 and 5.2).

mod config;
mod decoder;
mod encoder;
mod maps;
mod model;
mod rescale;

pub use config::{FeatureModelConfig, Pooling};
pub use decoder::FeatureDecoder;
pub use encoder::FeatureEncoder;
pub use maps::{FeatureLayer, FeatureMaps};
pub use model::FeatureModel;
