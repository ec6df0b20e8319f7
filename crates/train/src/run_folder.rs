//! The folder of a run: who may write in it, and where each file goes.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use context_encoder_eval::image_grid;
use context_encoder_files::atomic_write;
use image::RgbImage;

use crate::{TrainError, bundle, journal::Journal, overrides, recipe::Recipe};

/// Names inside a run's folder.
const CONFIG: &str = "config.toml";
const LOG: &str = "log.csv";
const VALIDATION: &str = "validation.csv";
const SAMPLES: &str = "samples";
const CHECKPOINT: &str = "checkpoint.bpk";
const LOCK: &str = ".lock";
const WEIGHTS: &str = "model.safetensors";

/// An open folder of a run.
pub(crate) struct RunFolder {
    pub(crate) log: Journal,
    pub(crate) validation: Journal,
    pub(crate) checkpoint: PathBuf,
    pub(crate) weights: PathBuf,
    pub(crate) sheets: Vec<PathBuf>,
    samples: PathBuf,
    /// Held for the run; the system lets go of it however the program ends.
    _lock: File,
}

impl RunFolder {
    /// Whether something would be lost if a new run began in this folder. A run that was stopped before its first
    /// checkpoint left nothing to lose.
    pub(crate) fn holds_a_run(folder: &Path) -> bool {
        Self::newest_checkpoint(folder).exists() || Self::weights(folder).exists()
    }

    /// The weights that the run is for.
    fn weights(folder: &Path) -> PathBuf {
        folder.join(WEIGHTS)
    }

    /// The weights, where they are those of the newest checkpoint: they are written after it.
    pub(crate) fn newest_weights(folder: &Path) -> Option<PathBuf> {
        let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
        let weights = Self::weights(folder);
        (written(&weights)? >= written(&Self::newest_checkpoint(folder))?).then_some(weights)
    }

    /// The checkpoint to continue from.
    pub(crate) fn newest_checkpoint(folder: &Path) -> PathBuf {
        bundle::newest(&folder.join(CHECKPOINT))
    }

    /// Makes the folder, or opens it at `step`.
    pub(crate) fn open(folder: &Path, config: &impl Recipe, step: u64) -> Result<Self, TrainError> {
        let samples = folder.join(SAMPLES);
        fs::create_dir_all(&samples).map_err(|source| TrainError::Io {
            action: "create",
            path: samples.clone(),
            source,
        })?;
        let lock = lock(folder)?;
        let path = folder.join(CONFIG);
        atomic_write(&path, overrides::to_toml(config)?.as_bytes()).map_err(|source| TrainError::Io {
            action: "write",
            path,
            source,
        })?;
        Ok(Self {
            log: Journal::open(&folder.join(LOG), step)?,
            validation: Journal::open(&folder.join(VALIDATION), step)?,
            checkpoint: folder.join(CHECKPOINT),
            weights: Self::weights(folder),
            samples,
            sheets: Vec::new(),
            _lock: lock,
        })
    }

    /// Whether checkpoint and weights are there, and of the same step.
    pub(crate) fn is_written(&self) -> bool {
        self.weights.parent().is_some_and(|folder| Self::newest_weights(folder).is_some())
    }

    /// Writes the sheet of a step and returns its path.
    pub(crate) fn write_sheet(&mut self, step: u64, page: &RgbImage) -> Result<PathBuf, TrainError> {
        let path = self.samples.join(format!("step_{step:06}.png"));
        image_grid::save(page, &path)?;
        self.sheets.push(path.clone());
        Ok(path)
    }
}

/// Keeps other runs out of the folder.
fn lock(folder: &Path) -> Result<File, TrainError> {
    let path = folder.join(LOCK);
    let failed = |source| TrainError::Io { action: "lock", path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
