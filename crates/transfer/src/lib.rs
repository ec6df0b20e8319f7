//! What a pretrained context encoder is good for (Pathak et al., CVPR 2016, section 5.2).
//!
//! | module | what it holds | paper |
//! |---|---|---|
//! | [`classify`] | AlexNet's classifier, fine-tuned; ten crops a picture | section 5.2.1 |
//! | [`probe`] | linear classifiers and neighbours on frozen layers | |
//! | [`detect`] | Fast R-CNN: region pooling, deltas, suppression, proposals | section 5.2.2 |
//! | [`segment`] | FCN-32s, 16s and 8s | section 5.2.3 |
//! | [`fit`] | one loop for all of them | |
//! | [`metric`] | accuracy, average precision both ways, mean IU | Table 2 |
//! | [`voc`] | PASCAL VOC's folders, and a tiny devkit drawn here | |
//!
//! A head takes a [`FeatureEncoder`](context_encoder_model::FeatureEncoder) from a [`Source`]: random, a file
//! of pretraining, or any safetensors file with its names. Weights that do not fit are errors that name them.
//!
//! Labels of pixels and VOC's border follow [`metric::IGNORED`]; a [`Rect`] counts from 0 and ends outside.

pub mod classify;
mod data_dependent_init;
pub mod detect;
mod error;
pub mod fit;
mod init;
pub mod metric;
mod padding;
pub mod probe;
mod rect;
mod resize;
pub mod segment;
mod source;
pub mod voc;

pub use data_dependent_init::data_dependent_init;
pub use error::TransferError;
pub use fit::{Curve, Dropout, Fit, Fitted, Head, Optimizer};
pub use rect::Rect;
pub use source::Source;
