#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! | module | what it holds | paper |
//! |---|---|---|
//! | [`mask`] | what is hidden: central, random block, random region, files | section 3.3 |
//! | [`files`] | picture files in and out, with nothing lost | |
//! | [`model`] | encoder, channel-wise fully connected layer, decoder, discriminator | section 3.1 |
//! | [`loss`] | reconstruction, adversarial, joint | section 3.2 |
//! | [`data`] | from picture files to batches; built-in facades | section 5.1 |
//! | [`inpaint`] | fill pictures of any size | |
//! | [`eval`] | measure the result; fills without a network, retrieval | Table 1 |
//! | `train` | configuration, step, run, checkpoint; inpainting and pretraining (feature `train`) | section 5 |
//! | `transfer` | classify, segment and detect with a pretrained encoder (feature `train`) | Table 2 |
//! | `conformance` | whether a device computes what others compute (feature `diagnostics`) | |
//! | `bench` | how fast a device trains and fills, and the memory that takes (feature `diagnostics`) | |

#[cfg(feature = "diagnostics")]
pub use context_encoder_bench as bench;
#[cfg(feature = "diagnostics")]
pub use context_encoder_conformance as conformance;
pub use context_encoder_data as data;
pub use context_encoder_eval as eval;
pub use context_encoder_files as files;
pub use context_encoder_inpaint as inpaint;
pub use context_encoder_loss as loss;
pub use context_encoder_mask as mask;
pub use context_encoder_model as model;
pub use context_encoder_ops as ops;
#[cfg(feature = "train")]
pub use context_encoder_train as train;
#[cfg(feature = "train")]
pub use context_encoder_transfer as transfer;

pub use burn::tensor::Device;
pub use context_encoder_inpaint::Inpainter;
pub use context_encoder_mask::Mask;
pub use context_encoder_model::{Discriminator, Model, ModelConfig, Predictor};

mod device;

pub use device::{DeviceError, TOKEN, device, device_name};
#[cfg(feature = "remote")]
pub use device::{ServeError, serve};

/// What most programs need: `use context_encoder::prelude::*;`
pub mod prelude {
    #[cfg(feature = "train")]
    pub use crate::train::{
        DataConfig, PretrainConfig, Progress, Run, RunSettings, TextProgress, TrainConfig,
    };
    pub use crate::{
        Device, Discriminator, Inpainter, Mask, Model, ModelConfig,
        data::{Facades, Folder, FolderOptions, Loader, LoaderConfig},
        device,
        eval::{Protocol, Scores, Seam, evaluate},
        inpaint::{Blend, Fill, Refine},
        mask::{Central, MaskGenerator, MaskKind, RandomBlock, RandomRegion, Silhouettes},
        model::{BottleneckConfig, Prediction, Preset},
    };
}

/// Former module of `bench` and `conformance`.
#[cfg(feature = "trial")]
#[doc(hidden)]
pub mod trial {
    pub use context_encoder_bench::{
        Bench, BenchSettings as Settings, BenchTask as Task, Measurement as Measured,
    };
    pub use context_encoder_conformance::{self as conformance, Check, Scale, conformance};
}

/// The documents' code, compiled and run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../docs/data.md")]
    struct Data;
    #[doc = include_str!("../docs/training.md")]
    struct Training;
    #[doc = include_str!("../docs/inpainting.md")]
    struct Inpainting;
    #[doc = include_str!("../docs/checkpoints.md")]
    struct Checkpoints;
    #[doc = include_str!("../docs/features.md")]
    struct Features;
}
