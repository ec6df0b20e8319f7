//! The AlexNet-style network that learns features by inpainting (paper, sections 3.1 and 5.2).

mod config;
mod data_dependent_init;
mod decoder;
mod encoder;
mod layer;
mod model;

pub use config::{FeatureModelConfig, Pooling};
pub use decoder::FeatureDecoder;
pub use encoder::FeatureEncoder;
pub use layer::FeatureLayer;
pub use model::FeatureModel;
