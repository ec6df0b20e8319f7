//! Settings of the loader.

use crate::{OnBadPicture, Order, Transform};

/// How pictures become batches.
///
/// | field | default | purpose |
/// |---|---|---|
/// | `batch_size` | 64 (paper's code) | pictures in a batch |
/// | `seed` | 0 | decides order, crops, flips and masks |
/// | `workers` | 2 | threads that read pictures; 0 reads in the calling thread. Never changes a batch |
/// | `ahead` | 4 | finished batches that may wait for the consumer |
/// | `cache_mib` | 1024 MiB | memory for decoded pictures, which later epochs need not decode again; 0 keeps none. Never changes a batch |
/// | `view` | 350, then 128 | what the network sees of a picture |
/// | `order` | shuffled | the order of the pictures in an epoch |
/// | `last_batch` | drop | what to do with a last batch that is not full |
/// | `sharing` | each picture its own | which pictures share a mask |
/// | `on_bad_picture` | skip | replace a picture that cannot be read, or stop |
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// Pictures in a batch.
    pub batch_size: usize,
    /// Decides order, crops, flips and masks.
    pub seed: u64,
    /// Threads that read pictures; 0 reads in the calling thread.
    pub workers: usize,
    /// Finished batches that may wait for the consumer, beside the one that each thread works on.
    pub ahead: usize,
    /// Memory for decoded pictures, in MiB; 0 keeps none. Taken as pictures come, and only where they are the
    /// [same in every epoch](crate::PictureSource::same_every_epoch). When they do not all fit, those that came
    /// first are kept.
    pub cache_mib: u64,
    /// What the network sees of a picture.
    pub view: Transform,
    /// The order of the pictures in an epoch.
    pub order: Order,
    /// What to do with a last batch that is not full.
    pub last_batch: LastBatch,
    /// Which pictures share a mask.
    pub sharing: MaskSharing,
    /// What to do with a picture that cannot be read.
    pub on_bad_picture: OnBadPicture,
}

/// What to do with the last pictures of an epoch when they do not fill a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastBatch {
    /// Leave them out: for training, where batch normalisation wants full batches. Shuffling leaves out others
    /// in the next epoch.
    #[default]
    Drop,
    /// Make a smaller batch of them: for evaluation, where each picture counts once.
    Keep,
}

/// Which pictures share a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskSharing {
    /// Each picture has its own (the paper).
    #[default]
    EachPicture,
    /// All pictures of a batch have the same (the authors' code).
    EachBatch,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 64,
            seed: 0,
            workers: 2,
            ahead: 4,
            cache_mib: 1024,
            view: Transform::training(),
            order: Order::default(),
            last_batch: LastBatch::default(),
            sharing: MaskSharing::default(),
            on_bad_picture: OnBadPicture::default(),
        }
    }
}

impl LoaderConfig {
    /// Settings for evaluation: the whole picture, in order, each picture once and so none kept, no replacements.
    #[must_use]
    pub fn evaluation() -> Self {
        Self {
            cache_mib: 0,
            view: Transform::evaluation(),
            order: Order::Sequential,
            last_batch: LastBatch::Keep,
            on_bad_picture: OnBadPicture::Stop,
            ..Self::default()
        }
    }
}
