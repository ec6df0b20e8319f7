//! Where a run's pictures come from.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use context_encoder_data::{
    Facades, Folder, FolderOptions, ImageDataset, Limits, Shards, Skipped, Transform,
};
use serde::{Deserialize, Serialize};

use crate::{
    TrainError,
    recipe::{Course, Recipe},
};

/// Keeps the random stream of drawn facades apart from the run's other streams of the same seed; by itself the seed
/// of the facades to validate on, which are the same in every run.
const FACADES_SALT: u64 = 0x6661_6361_6465_7321;

/// The largest shorter side to which pictures are resized, pixels.
const MAX_RESIZE: u32 = 8192;

/// Memory for decoded pictures unless the configuration says otherwise, MiB.
const CACHE_MIB: u64 = 1024;

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataConfig {
    /// Street fronts drawn by the program; nothing to download.
    Facades {
        /// Pictures in an epoch; each epoch draws new ones.
        pictures: usize,
    },
    /// Picture files in a folder and its subfolders; every 20th is kept for validation.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The shorter side is resized to so many pixels before a square is cropped; 350 in the paper.
        resize: u32,
        /// Whether the first unreadable picture ends the run; otherwise it is reported and replaced.
        #[serde(default)]
        strict: bool,
        /// Memory for decoded pictures, MiB, which later epochs need not decode again; 0 keeps none. Never changes
        /// a batch.
        #[serde(default = "cache_mib")]
        cache_mib: u64,
        /// A folder of pictures to test on: files that are in it too, byte for byte, are left out of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        without: Option<PathBuf>,
    },
    /// Tar files in a folder, as WebDataset packs them ([`Shards`]); every 20th sample is kept for validation.
    Shards {
        /// The folder, or one tar file.
        path: PathBuf,
        /// As of a folder.
        resize: u32,
        /// As of a folder.
        #[serde(default)]
        strict: bool,
        /// Not built: refused where it is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        without: Option<PathBuf>,
    },
}

/// What is varied in the pictures to learn from, beside place and side.
///
/// | key | meaning | range |
/// |---|---|---|
/// | `smallest` | shorter sides are drawn from it to `data.resize`, pixels; 0 varies nothing | `model.size` to `data.resize` |
/// | `colour` | how far [light and colours](context_encoder_data::Transform::ScaleJitter) vary, percent | 0 to 50 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Shorter sides are drawn from here to `data.resize`, pixels; 0 varies nothing.
    pub smallest: u32,
    /// How far light and colours vary, percent.
    pub colour: u8,
}

/// That there are pictures for both parts.
fn enough(path: &Path, training: &dyn ImageDataset, validation: &dyn ImageDataset) -> Result<(), TrainError> {
    if training.is_empty() || validation.is_empty() {
        return Err(TrainError::config(format!(
            "{} holds {} usable picture, but a run needs at least two: every 20th is kept to validate on",
            path.display(),
            training.len() + validation.len()
        )));
    }
    Ok(())
}

impl Augmentation {
    /// Checks every field, for squares of `side` pixels.
    pub(crate) fn validate(self, data: &DataConfig, side: u32) -> Result<(), TrainError> {
        let view = self.view(data.resize(side), side);
        view.validate().map_err(|error| TrainError::config(format!("augmentation: {error}")))
    }

    /// The training view whose pictures have `resize` pixels on their shorter side.
    fn view(self, resize: u32, size: u32) -> Transform {
        match self {
            Self { smallest: 0, colour: 0 } => Transform::RandomCrop { resize, size },
            Self { smallest: 0, colour } => {
                Transform::ScaleJitter { min_resize: resize, max_resize: resize, size, color: colour }
            }
            Self { smallest, colour } => {
                Transform::ScaleJitter { min_resize: smallest, max_resize: resize, size, color: colour }
            }
        }
    }
}

/// Pictures for training and for validation, and how a square is taken from them.
pub(crate) struct Dataset {
    pub(crate) training: Arc<dyn ImageDataset>,
    pub(crate) validation: Arc<dyn ImageDataset>,
    pub(crate) view: Transform,
    /// The same scales, in their own colours.
    pub(crate) validation_view: Transform,
    /// Whether an unreadable image ends the run.
    pub(crate) strict: bool,
    /// Memory for decoded pictures of the training part, MiB.
    pub(crate) cache_mib: u64,
    /// Files that were refused when the folder was opened.
    pub(crate) skipped: Vec<Skipped>,
}

/// A path that does not depend on the current folder.
pub(crate) fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// For files that do not name it.
fn cache_mib() -> u64 {
    CACHE_MIB
}

impl DataConfig {
    /// A folder with the paper's resizing.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::Folder { path: path.into(), resize: 350, strict: false, cache_mib: CACHE_MIB, without: None }
    }

    /// These pictures' settings, for a folder, or for [shards](Shards::are_in) where it holds tar files alone: `resize` where it is
    /// given, else the one there was.
    pub fn in_folder(self, path: impl Into<PathBuf>, resize: Option<u32>, strict: bool) -> Self {
        let path = path.into();
        let (old_resize, old_strict, cache_mib, without) = match self {
            Self::Folder { resize, strict, cache_mib, without, .. } => (resize, strict, cache_mib, without),
            Self::Shards { resize, strict, without, .. } => (resize, strict, CACHE_MIB, without),
            Self::Facades { .. } => (350, false, CACHE_MIB, None),
        };
        let (resize, strict) = (resize.unwrap_or(old_resize), strict || old_strict);
        if Shards::are_in(&path) {
            Self::Shards { path, resize, strict, without }
        } else {
            Self::Folder { path, resize, strict, cache_mib, without }
        }
    }

    /// Leaves out what is, byte for byte, in a folder to test on too; for `None`, and for drawn facades, changes nothing.
    /// Shards are not searched: with them, [`TrainConfig::validate`](crate::TrainConfig::validate) refuses it.
    pub fn without(mut self, tested: Option<&Path>) -> Self {
        if let (Self::Folder { without, .. } | Self::Shards { without, .. }, Some(tested)) =
            (&mut self, tested)
        {
            *without = Some(tested.to_owned());
        }
        self
    }

    /// Opens the source for a run.
    pub(crate) fn open(config: &impl Recipe) -> Result<Dataset, TrainError> {
        let Course { size, seed, validation_pictures: validation, .. } = config.course();
        let (side, data, augmentation) = (size as u32, config.data(), config.augmentation());
        let resize = data.resize(side);
        let view = augmentation.view(resize, side);
        let validation_view = Augmentation { colour: 0, ..augmentation }.view(resize, side);
        match data {
            Self::Facades { pictures } => {
                let facades = |seed: u64| Facades::new(seed ^ FACADES_SALT).with_size(side * 3 / 2, resize);
                Ok(Dataset {
                    training: Arc::new(facades(seed).training(*pictures)),
                    validation: Arc::new(facades(0).validation(validation)),
                    view,
                    validation_view,
                    strict: true,
                    cache_mib: 0, // each epoch draws new ones
                    skipped: Vec::new(),
                })
            }
            Self::Folder { path, strict, cache_mib, without, .. } => {
                let options = FolderOptions { strict: *strict, ..FolderOptions::default() };
                let folder = Folder::open(path, options)?;
                let refused = folder.skipped().to_vec();
                let folder = match without {
                    Some(other) => folder.exclude(&Folder::open(other, FolderOptions::default())?)?,
                    None => folder,
                };
                if let Some(other) = without.as_ref().filter(|_| folder.is_empty()) {
                    return Err(TrainError::config(format!(
                        "every picture of {} is in {} too, so none is left to learn from; name another folder",
                        path.display(),
                        other.display()
                    )));
                }
                let (training, validation) = folder.split();
                enough(path, &training, &validation)?;
                Ok(Dataset {
                    training: Arc::new(training),
                    validation: Arc::new(validation),
                    view,
                    validation_view,
                    strict: *strict,
                    cache_mib: *cache_mib,
                    skipped: refused,
                })
            }
            Self::Shards { path, strict, .. } => {
                let (training, validation) = Shards::open(path, Limits::default())?.split();
                enough(path, &training, &validation)?;
                Ok(Dataset {
                    training: Arc::new(training),
                    validation: Arc::new(validation),
                    view,
                    validation_view,
                    strict: *strict,
                    cache_mib: 0, // made for sets of which no memory holds a part worth keeping
                    skipped: Vec::new(),
                })
            }
        }
    }

    /// The shorter side of the pictures that squares of `side` pixels are cut from.
    fn resize(&self, side: u32) -> u32 {
        match self {
            // Pictures of 3:2.5 around the crop leave it room to move by a quarter of its side.
            Self::Facades { .. } => side * 5 / 4,
            Self::Folder { resize, .. } | Self::Shards { resize, .. } => *resize,
        }
    }

    /// Checks every field, for squares of `side` pixels.
    pub(crate) fn validate(&self, side: u32) -> Result<(), TrainError> {
        match self {
            Self::Facades { pictures: 0 } => {
                Err(TrainError::config("data.pictures is 0; write at least batch_size"))
            }
            Self::Shards { path, without: Some(tested), .. } => Err(TrainError::config(format!(
                "{} holds shards, which are not searched for the pictures of {} (data.without); unpack them into a folder",
                path.display(),
                tested.display()
            ))),
            Self::Folder { resize, .. } | Self::Shards { resize, .. }
                if !(side..=MAX_RESIZE).contains(resize) =>
            {
                Err(TrainError::config(format!(
                    "data.resize is {resize}; write the shorter side in pixels, from model.size ({side}) to {MAX_RESIZE}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The same source with a path that does not depend on the current folder.
    pub(crate) fn absolute(self) -> Self {
        match self {
            Self::Folder { path, resize, strict, cache_mib, without } => {
                let (path, without) = (absolute(path), without.map(absolute));
                Self::Folder { path, resize, strict, cache_mib, without }
            }
            Self::Shards { path, resize, strict, without } => {
                Self::Shards { path: absolute(path), resize, strict, without }
            }
            Self::Facades { pictures } => Self::Facades { pictures },
        }
    }

    /// In words, for the weights file.
    pub(crate) fn describe(&self) -> String {
        let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        match self {
            Self::Facades { .. } => "built-in facades".to_owned(),
            Self::Shards { path, resize, .. } => {
                format!("shards {}, shorter side {resize} px", name(path))
            }
            Self::Folder { path, resize, without, .. } => {
                let without = without.as_ref().map(|other| format!(" without what is in {}", name(other)));
                format!("folder {}{}, shorter side {resize} px", name(path), without.unwrap_or_default())
            }
        }
    }
}
