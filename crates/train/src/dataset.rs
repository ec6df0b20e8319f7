//! Where a run's pictures come from.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use context_encoder_data::{
    Facades, Folder, FolderOptions, ImageDataset, Limits, Shards, Skipped, Transform,
};
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Keeps the random stream of drawn facades apart from the run's other streams of the same seed; by itself
/// the seed of the validation facades, which are the same in every run.
const FACADES_SALT: u64 = 0x6661_6361_6465_7321;

/// The shorter side to which pictures are resized: the paper's, and the largest, pixels.
const PAPER_RESIZE: u32 = 350;
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
        /// What they show.
        #[serde(default, skip_serializing_if = "Scenes::are_fronts")]
        scenes: Scenes,
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
        /// Memory for decoded pictures, MiB, which later epochs need not decode again; 0 keeps none. Never
        /// changes a batch.
        #[serde(default = "cache_mib")]
        cache_mib: u64,
        /// A folder of test pictures: files that are in it too, byte for byte, are left out of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude: Option<PathBuf>,
    },
    /// Tar files in a folder, as WebDataset packs them ([`Shards`]); every 20th sample is kept for
    /// validation.
    Shards {
        /// The folder, or one tar file.
        path: PathBuf,
        /// As of a folder.
        resize: u32,
        /// As of a folder.
        #[serde(default)]
        strict: bool,
    },
}

/// What the program draws: `data.scenes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenes {
    /// Fronts of houses ([`Facades::new`]).
    #[default]
    Fronts,
    /// Streets with trees, vehicles and people, from any angle ([`Facades::streets`]).
    Streets,
}

impl Scenes {
    /// Configurations leave the default out, as those of earlier releases do.
    fn are_fronts(&self) -> bool {
        *self == Self::Fronts
    }
}

/// For files that do not name it.
fn cache_mib() -> u64 {
    CACHE_MIB
}

/// What is varied in the training pictures, beside place and side.
///
/// | key | meaning | range |
/// |---|---|---|
/// | `smallest` | shorter sides are drawn from it to `data.resize`, pixels; 0 varies nothing | `model.size` to `data.resize` |
/// | `color` | how far [light and colors](context_encoder_data::Transform::ScaleJitter) vary, percent | 0 to 50 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Shorter sides are drawn from here to `data.resize`, pixels; 0 varies nothing.
    pub smallest: u32,
    /// How far light and colors vary, percent.
    pub color: u8,
}

impl Augmentation {
    /// Checks every field, for squares of `size` pixels.
    pub(crate) fn validate(self, data: &DataConfig, size: u32) -> Result<(), TrainError> {
        let transform = self.transform(data.resize(size), size);
        transform.validate().map_err(|error| TrainError::config(format!("augmentation: {error}")))
    }

    /// The training transform of pictures with `resize` pixels on their shorter side.
    fn transform(self, resize: u32, size: u32) -> Transform {
        match self {
            Self { smallest: 0, color: 0 } => Transform::RandomCrop { resize, size },
            Self { smallest: 0, color } => {
                Transform::ScaleJitter { min_resize: resize, max_resize: resize, size, color }
            }
            Self { smallest, color } => {
                Transform::ScaleJitter { min_resize: smallest, max_resize: resize, size, color }
            }
        }
    }
}

impl DataConfig {
    /// A folder with the paper's resizing.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::Folder { path, resize: PAPER_RESIZE, strict: false, cache_mib: CACHE_MIB, exclude: None }
    }

    /// The same settings for a folder of pictures, or of [shards](Shards::are_in) where it holds tar files
    /// alone: `resize` where it is given, else the one there was.
    ///
    /// # Errors
    /// [`TrainError::Config`] when test pictures are to be excluded and the folder holds shards.
    pub fn in_folder(
        self,
        path: impl Into<PathBuf>,
        resize: Option<u32>,
        strict: bool,
    ) -> Result<Self, TrainError> {
        let path = path.into();
        let (old_resize, old_strict, cache_mib, exclude) = match self {
            Self::Folder { resize, strict, cache_mib, exclude, .. } => (resize, strict, cache_mib, exclude),
            Self::Shards { resize, strict, .. } => (resize, strict, CACHE_MIB, None),
            Self::Facades { .. } => (PAPER_RESIZE, false, CACHE_MIB, None),
        };
        let (resize, strict) = (resize.unwrap_or(old_resize), strict || old_strict);
        if Shards::are_in(&path) {
            Self::Shards { path, resize, strict }.excluding(exclude.as_deref())
        } else {
            Ok(Self::Folder { path, resize, strict, cache_mib, exclude })
        }
    }

    /// Leaves out what is, byte for byte, in a folder of test pictures too; changes nothing for `None`, and
    /// for drawn facades.
    ///
    /// # Errors
    /// [`TrainError::Config`] for shards, which are not searched.
    pub fn excluding(mut self, test: Option<&Path>) -> Result<Self, TrainError> {
        match (&mut self, test) {
            (Self::Folder { exclude, .. }, Some(test)) => *exclude = Some(test.to_owned()),
            (Self::Shards { path, .. }, Some(test)) => {
                return Err(TrainError::config(format!(
                    "{} holds shards, which are not searched for the pictures of {} (data.exclude); unpack them into \
                     a folder",
                    path.display(),
                    test.display()
                )));
            }
            _ => {}
        }
        Ok(self)
    }

    /// The shorter side of the pictures that squares of `size` pixels are cropped from.
    fn resize(&self, size: u32) -> u32 {
        match self {
            // Pictures of 3:2.5 around the crop leave it room to move by a quarter of its side.
            Self::Facades { .. } => size * 5 / 4,
            Self::Folder { resize, .. } | Self::Shards { resize, .. } => *resize,
        }
    }

    /// Checks every field, for squares of `size` pixels.
    pub(crate) fn validate(&self, size: u32) -> Result<(), TrainError> {
        match self {
            Self::Facades { pictures: 0, .. } => {
                Err(TrainError::config("data.pictures is 0; write at least batch_size"))
            }
            Self::Folder { resize, .. } | Self::Shards { resize, .. }
                if !(size..=MAX_RESIZE).contains(resize) =>
            {
                Err(TrainError::config(format!(
                    "data.resize is {resize}; write the shorter side in pixels, from model.size ({size}) to {MAX_RESIZE}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Makes its paths independent of the current folder.
    pub(crate) fn make_paths_absolute(&mut self) {
        match self {
            Self::Folder { path, exclude, .. } => {
                make_absolute(path);
                exclude.iter_mut().for_each(make_absolute);
            }
            Self::Shards { path, .. } => make_absolute(path),
            Self::Facades { .. } => {}
        }
    }

    /// Where the same pictures lie now, and those that are excluded where they have moved too.
    pub(crate) fn moved_to(&mut self, place: &Path, excluded: Option<&Path>) -> Result<(), TrainError> {
        match self {
            Self::Facades { .. } => {
                return Err(TrainError::config(
                    "the run draws its pictures and has no folder of them; go on without naming one",
                ));
            }
            Self::Shards { path, .. } => place.clone_into(path),
            Self::Folder { path, exclude, .. } => {
                place.clone_into(path);
                if let Some(excluded) = excluded {
                    *exclude = Some(excluded.to_owned());
                }
            }
        }
        self.make_paths_absolute();
        Ok(())
    }

    /// In words, for the weights file.
    pub(crate) fn describe(&self) -> String {
        let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        match self {
            Self::Facades { scenes: Scenes::Fronts, .. } => "built-in facades".to_owned(),
            Self::Facades { scenes: Scenes::Streets, .. } => "built-in streets".to_owned(),
            Self::Shards { path, resize, .. } => {
                format!("shards {}, shorter side {resize} px", name(path))
            }
            Self::Folder { path, resize, exclude, .. } => {
                let exclude = exclude.as_ref().map(|other| format!(" without what is in {}", name(other)));
                format!("folder {}{}, shorter side {resize} px", name(path), exclude.unwrap_or_default())
            }
        }
    }
}

/// Makes a path independent of the current folder.
pub(crate) fn make_absolute(path: &mut PathBuf) {
    if let Ok(absolute) = std::path::absolute(&*path) {
        *path = absolute;
    }
}

/// Training and validation pictures, and how a square is taken from them.
pub(crate) struct Dataset {
    pub(crate) training: Arc<dyn ImageDataset>,
    pub(crate) validation: Arc<dyn ImageDataset>,
    pub(crate) transform: Transform,
    /// The same scales, in the pictures' own colors.
    pub(crate) validation_transform: Transform,
    /// Whether an unreadable picture ends the run.
    pub(crate) strict: bool,
    /// Memory for decoded training pictures, MiB.
    pub(crate) cache_mib: u64,
    /// Files that were skipped when the folder was opened.
    pub(crate) skipped: Vec<Skipped>,
    /// What else is not used, in sentences.
    pub(crate) remarks: Vec<String>,
}

impl Dataset {
    /// Opens the pictures of a run, for squares of `size` pixels; facades are drawn from `seed`, and as many
    /// for validation as asked.
    pub(crate) fn open(
        data: &DataConfig,
        augmentation: Augmentation,
        size: usize,
        seed: u64,
        validation_pictures: usize,
    ) -> Result<Self, TrainError> {
        let size = size as u32;
        let resize = data.resize(size);
        let dataset = |training: Arc<dyn ImageDataset>, validation: Arc<dyn ImageDataset>| Self {
            training,
            validation,
            transform: augmentation.transform(resize, size),
            validation_transform: Augmentation { color: 0, ..augmentation }.transform(resize, size),
            strict: true,
            cache_mib: 0,
            skipped: Vec::new(),
            remarks: Vec::new(),
        };
        match data {
            // No cache: each epoch draws new ones.
            DataConfig::Facades { pictures, scenes } => {
                let facades = |seed: u64| {
                    let seed = seed ^ FACADES_SALT;
                    let facades = match scenes {
                        Scenes::Fronts => Facades::new(seed),
                        Scenes::Streets => Facades::streets(seed),
                    };
                    facades.with_size(size * 3 / 2, resize)
                };
                Ok(dataset(
                    Arc::new(facades(seed).training(*pictures)),
                    Arc::new(facades(0).validation(validation_pictures)),
                ))
            }
            &DataConfig::Folder { ref path, strict, cache_mib, ref exclude, .. } => {
                let options = FolderOptions { strict, ..FolderOptions::default() };
                let folder = Folder::open(path, options)?;
                let skipped = folder.skipped().to_vec();
                let folder = match exclude {
                    Some(other) => folder.exclude(&Folder::open(other, FolderOptions::default())?)?,
                    None => folder,
                };
                if let Some(other) = exclude.as_ref().filter(|_| folder.is_empty()) {
                    return Err(TrainError::config(format!(
                        "every picture of {} is in {} too, so none is left to learn from; name another folder",
                        path.display(),
                        other.display()
                    )));
                }
                let (training, validation) = folder.split();
                let dataset = dataset(Arc::new(training), Arc::new(validation));
                dataset.require_both_splits(path)?;
                Ok(Self { strict, cache_mib, skipped, ..dataset })
            }
            // No cache: shards are for sets of which no memory holds a part worth keeping.
            &DataConfig::Shards { ref path, strict, .. } => {
                let shards = Shards::open(path, Limits::default())?;
                let (training, validation) = shards.split();
                let dataset = dataset(Arc::new(training), Arc::new(validation));
                dataset.require_both_splits(path)?;
                Ok(Self { strict, remarks: shards.remarks(), ..dataset })
            }
        }
    }

    fn require_both_splits(&self, path: &Path) -> Result<(), TrainError> {
        if self.training.is_empty() || self.validation.is_empty() {
            return Err(TrainError::config(format!(
                "{} holds {} usable picture, but a run needs at least two: every 20th is kept for validation",
                path.display(),
                self.training.len() + self.validation.len()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrainConfig;

    #[test]
    fn streets_are_drawn_where_they_are_asked_for() {
        let fronts = TrainConfig::from_toml("[data]\nkind = \"facades\"\npictures = 8").expect("usable");
        assert!(!fronts.to_toml().expect("plain").contains("scenes"));
        let streets = fronts.clone().with_override("data.scenes=streets").expect("a key");
        assert_eq!(streets.run.data.describe(), "built-in streets");
        assert_eq!(TrainConfig::from_toml(&streets.to_toml().expect("plain")).expect("own text"), streets);
        let [front, street] = [fronts, streets].map(|config| {
            let dataset = Dataset::open(&config.run.data, Augmentation::default(), 64, 0, 4).expect("drawn");
            dataset.training.image(0, 0).expect("drawn")
        });
        assert_eq!(front.dimensions(), street.dimensions());
        assert_ne!(front, street);
    }

    #[test]
    fn test_pictures_are_excluded() {
        let folder = tempfile::tempdir().expect("folder");
        let [train, test] = ["train", "test"].map(|name| folder.path().join(name));
        for path in [&train, &test] {
            std::fs::create_dir(path).expect("folder");
        }
        for level in 0..6_u8 {
            let file = train.join(format!("{level}.png"));
            image::RgbImage::from_pixel(64, 64, image::Rgb([level * 40; 3])).save(&file).expect("written");
        }
        std::fs::copy(train.join("3.png"), test.join("other name.png")).expect("copied");
        let data = DataConfig::folder(&train).in_folder(&train, Some(64), false).expect("no shards");
        let pictures = |data: &DataConfig| {
            let dataset = Dataset::open(data, Augmentation::default(), 64, 0, 64).expect("usable");
            dataset.training.len() + dataset.validation.len()
        };
        assert_eq!(pictures(&data), 6);
        assert_eq!(pictures(&data.excluding(Some(&test)).expect("a folder")), 5);
    }
}
