//! Transfer learning: what a pretrained context encoder is good for (Pathak et al., CVPR 2016, section 5.2).
//!
//! | item | what it is | paper |
//! |---|---|---|
//! | [`Classifier`] | AlexNet's classifier, fine-tuned; averages ten crops of an image | section 5.2.1 |
//! | [`Detector`] | Fast R-CNN: RoI pooling, box deltas, non-maximum suppression, proposals | section 5.2.2 |
//! | [`Segmenter`] | FCN-32s, 16s and 8s | section 5.2.3 |
//! | [`probe()`] | linear classifiers and nearest neighbours on frozen layers | |
//! | [`Fit`] | trains any [`Head`] on a pretrained encoder | |
//! | [`Metrics`] | accuracy, average precision of VOC 2007 and 2010, mean IU | Table 2 |
//! | [`Voc`] | PASCAL VOC's folders, and a small synthetic one for tests | |
//!
//! A head is built on a [`FeatureEncoder`](context_encoder_model::FeatureEncoder): random, or loaded from a
//! file of pretraining or any safetensors file with its names.

mod boxes;
mod classify;
mod detect;
mod encoder;
mod error;
mod fit;
mod images;
mod init;
mod metric;
mod probe;
mod segment;
mod voc;

pub use boxes::{Detection, Rect};
pub use classify::{Classification, Classifier, LabeledDataset, LabeledImage, Resize};
pub use detect::{DetectionSample, Detector};
pub use encoder::data_dependent_init;
pub use error::TransferError;
pub use fit::{CurvePoint, Fit, Fitted, Head, Optimizer};
pub use metric::Metrics;
pub use probe::{Probe, probe};
pub use segment::{SegmentationSample, Segmenter, SegmenterConfig, Stride};
pub use voc::{ClassMask, Label, Object, Voc};
