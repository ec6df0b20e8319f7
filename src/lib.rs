// Where the front page's links lead, with and without a feature.
#![cfg_attr(feature = "train", doc = "[train]: mod@crate::train\n[transfer]: mod@crate::transfer")]
#![cfg_attr(
    not(feature = "train"),
    doc = "[train]: https://docs.rs/context-encoder\n[transfer]: https://docs.rs/context-encoder"
)]
#![cfg_attr(
    feature = "diagnostics",
    doc = "[conformance]: mod@crate::conformance\n[bench]: mod@crate::bench"
)]
#![cfg_attr(
    not(feature = "diagnostics"),
    doc = "[conformance]: https://docs.rs/context-encoder\n[bench]: https://docs.rs/context-encoder"
)]
#![cfg_attr(feature = "remote", doc = "[serve]: fn@crate::serve")]
#![cfg_attr(not(feature = "remote"), doc = "[serve]: https://docs.rs/context-encoder")]
//! Context encoders in pure Rust: a network sees a picture with a hole and predicts what was there (Pathak et
//! al., ["Context Encoders: Feature Learning by Inpainting"](https://arxiv.org/abs/1604.07379), CVPR 2016). Built on
//! [Burn](https://burn.dev), so the same code runs on processors and graphics cards.
//!
//! There are three uses. `use context_encoder::prelude::*;` brings what most programs need.
//!
//! # Fill pictures
//!
//! [`Inpainter`] fills holes of any shape in pictures of any size; visible pixels stay bit for bit. The
//! feature `pretrained` brings a network for any photograph (`Inpainter::pretrained`), and without it weights
//! come from a file.
//!
//! ```
//! use context_encoder::prelude::*;
//!
//! let device = device("cpu")?;
//! let model = ModelConfig::preset(Preset::Recommended).with_size(64).with_width(8).init(&device)?;
//! let inpainter = Inpainter::new(&model, &device); // or Inpainter::load("model.safetensors", &device)?
//!
//! let picture = Facades::new(7).with_size(64, 64).image(0);
//! let mask = Mask::from_fn(64, 64, |x, y| x.abs_diff(32) + y.abs_diff(32) < 12); // true = hidden
//! let filled = inpainter.fill(&picture, &mask)?;
//! assert_eq!(filled.get_pixel(0, 0), picture.get_pixel(0, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | open and save photographs with depth, transparency, profile and EXIF data | [`files::Photograph`] |
//! | read a mask, find a painted color, grow or invert | [`Mask`] |
//! | choose how a fill is blended, and whether patches of the picture sharpen it | [`inpaint::Blend`], [`inpaint::Refine`] |
//! | fill without a network | [`inpaint::Harmonic`], [`eval::BorderMean`], [`eval::Telea`] |
//! | measure fills, and compare with others | [`eval::Scores`], [`eval::evaluate`] |
//!
//! # The network alone
//!
//! [`Model`] is the network on tensors, [`Predictor`] the same for inference. Pictures are `[batch, 3,
//! height, width]` in `[-1, 1]`, masks `[batch, 1, height, width]` with 1 = hidden.
//!
//! ```
//! use burn::tensor::Tensor;
//! use context_encoder::{Model, ModelConfig, device};
//!
//! let device = device("cpu")?;
//! let model: Model = ModelConfig::default().init(&device)?;
//! let images = Tensor::zeros([1, 3, 128, 128], &device);
//! let masks = Tensor::zeros([1, 1, 128, 128], &device).slice_fill([0..1, 0..1, 32..96, 32..96], 1.0);
//! assert_eq!(model.forward(images, masks).dims(), [1, 3, 64, 64]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | choose an architecture | [`ModelConfig`], [`model::Preset`] |
//! | read weights of PyTorch, Torch 7 or Caffe | [`Model::load_pytorch`], [`Model::load_torch7`], [`model::FeatureEncoder::load_caffe`] |
//! | write them for PyTorch or as ONNX | [`Model::save_pytorch`], [`Model::save_onnx`] |
//! | extract features of pictures, find neighbours | [`model::FeatureEncoder`], [`eval::retrieval`] |
//!
//! # Train
//!
//! With the feature `train` (on by default) [train] runs the paper's training on your pictures, and
//! [transfer] tests what pretrained features are good for. A run is a folder: settings, logs, samples,
//! checkpoints, weights.
//!
//! ```
//! # #[cfg(feature = "train")] {
//! use context_encoder::prelude::*;
//!
//! # let folder = tempfile::tempdir()?;
//! let mut config = TrainConfig::from_toml("steps = 2\nbatch_size = 2\nvalidation_pictures = 2")?;
//! config.model = config.model.with_size(64).with_width(2);
//! let summary = Run::start(config, folder.path(), &device("cpu")?)?.train(&mut ())?;
//! assert!(summary.weights.exists());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | read pictures from folders or tar files, draw masks, make batches | [`data::Folder`], [`data::Shards`], [`mask::MaskGenerator`], [`data::Loader`] |
//! | write a loop of your own | [`data::InpaintingBatch`], [`loss::Objective`], [`Discriminator`] |
//! | watch a run | `train::Progress`, `train::TensorBoard` |
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
//! | [`ops`] | the tensor operations of these networks | |
//! | [train] | configuration, step, run, checkpoint; inpainting and pretraining | section 5 |
//! | [transfer] | classify, segment and detect with a pretrained encoder | Table 2 |
//! | [conformance] | whether a device computes what others compute | |
//! | [bench] | how fast a device trains and fills, and the memory that takes | |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `train` | yes | [train] and [transfer] |
//! | `diagnostics` | | [conformance] and [bench] |
//! | `pretrained` | | a network of 5 MB in the program: `Inpainter::pretrained` |
//! | `flex` | yes | the device `cpu`: any processor, with this project's own kernels |
//! | `ndarray`, `cpu` | | other backends of Burn for processors: `ndarray`, `cubecl-cpu` |
//! | `cuda`, `rocm`, `wgpu`, `vulkan`, `metal` | | graphics cards, by these names and with a number: `cuda:1` |
//! | `webgpu` | | in a browser, its graphics card: the function `webgpu` |
//! | `remote` | | devices that another machine serves, and [serve] for the other machine |
//!
//! A program that only fills pictures takes `default-features = false, features = ["flex"]` and builds no
//! training code.
// docs.rs marks what belongs to a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

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

#[cfg(feature = "webgpu")]
pub use device::webgpu;
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
    #[cfg(feature = "pretrained")]
    #[doc = include_str!("../README.md")]
    struct Readme;
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
