//! What most programs need: `use context_encoder::prelude::*;`

#[cfg(feature = "train")]
pub use crate::train::{DataConfig, Lines, PretrainConfig, Pretraining, Progress, Run, TrainConfig};
pub use crate::{
    Device, Discriminator, Inpainter, Mask, Model, ModelConfig,
    data::{Facades, Folder, FolderOptions, Loader, LoaderConfig},
    device,
    eval::{Protocol, Scores, Seam, evaluate},
    inpaint::{Blend, Fill},
    mask::{Central, MaskGenerator, MaskKind, RandomBlock, RandomRegion},
    model::{BottleneckConfig, Prediction, Preset},
};
