//! The folder of a run: its lock, and where each file goes.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use context_encoder_eval::image_grid;
use context_encoder_files::{atomic_write, is_leftover};
use image::RgbImage;
use serde::Serialize;

use super::previous;
use crate::{TrainError, csv_log::CsvLog, overrides};

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
    pub(crate) log: CsvLog,
    pub(crate) validation: CsvLog,
    pub(crate) checkpoint: PathBuf,
    pub(crate) weights: PathBuf,
    /// Image grids that were written, the newest last.
    pub(crate) samples: Vec<PathBuf>,
    samples_folder: PathBuf,
    /// Held for the run; the system releases it however the program ends.
    _lock: File,
}

impl RunFolder {
    /// Whether something would be lost if a new run began in this folder. A run that was stopped before its
    /// first checkpoint left nothing to lose.
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

    /// The checkpoint to resume from: the newest, or the one before it when a run was killed between two
    /// renamings.
    pub(crate) fn newest_checkpoint(folder: &Path) -> PathBuf {
        let path = folder.join(CHECKPOINT);
        let previous = previous(&path);
        if !path.exists() && previous.exists() { previous } else { path }
    }

    /// Makes the folder, or opens it at `step`.
    pub(crate) fn open(folder: &Path, config: &impl Serialize, step: u64) -> Result<Self, TrainError> {
        let samples = folder.join(SAMPLES);
        fs::create_dir_all(&samples).map_err(TrainError::io("create", &samples))?;
        let lock = lock(folder)?;
        for folder in [folder, &samples] {
            remove_leftovers(folder).map_err(TrainError::io("read", folder))?;
        }
        let path = folder.join(CONFIG);
        let text = overrides::to_toml(config)?;
        atomic_write(&path, text.as_bytes()).map_err(TrainError::io("write", &path))?;
        Ok(Self {
            log: CsvLog::open(&folder.join(LOG), step)?,
            validation: CsvLog::open(&folder.join(VALIDATION), step)?,
            checkpoint: folder.join(CHECKPOINT),
            weights: Self::weights(folder),
            samples_folder: samples,
            samples: Vec::new(),
            _lock: lock,
        })
    }

    /// Whether checkpoint and weights are there, and of the same step.
    pub(crate) fn is_written(&self) -> bool {
        self.weights.parent().is_some_and(|folder| Self::newest_weights(folder).is_some())
    }

    /// Writes the samples of a step and returns their path.
    pub(crate) fn write_samples(&mut self, step: u64, grid: &RgbImage) -> Result<PathBuf, TrainError> {
        let path = self.samples_folder.join(format!("step_{step:06}.png"));
        image_grid::save(grid, &path)?;
        self.samples.push(path.clone());
        Ok(path)
    }
}

/// Removes the unfinished files of a run that was killed while it wrote; nobody else writes in a locked
/// folder.
fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_leftover(&path) || is_leftover_of_burn(&path) {
            // One that cannot be removed harms nothing.
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// Whether a file is what a killed program left of a checkpoint or of weights: Burn's writers put
/// `NAME.PROCESS-NUMBER.tmp` aside.
fn is_leftover_of_burn(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let Some((name, writer)) = name.strip_suffix(".tmp").and_then(|name| name.rsplit_once('.')) else {
        return false;
    };
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_writer =
        writer.split_once('-').is_some_and(|(process, file)| is_number(process) && is_number(file));
    is_writer && [".bpk", ".safetensors"].iter().any(|ending| name.ends_with(ending))
}

/// Keeps other runs out of the folder.
fn lock(folder: &Path) -> Result<File, TrainError> {
    let path = folder.join(LOCK);
    let failed = TrainError::io("lock", &path);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(&failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_half_written_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("folder");
        let folder = folder.path();
        let names = [
            ("checkpoint.next.bpk.4711-0.tmp", false),
            ("model.safetensors.4711-12.tmp", false),
            (".config.toml.4711.0.context-encoder.part", false),
            ("samples/.step_000001.png.4711.3.context-encoder.part", false),
            ("checkpoint.previous.bpk", true),
            ("notes.tmp", true),
            ("notes.1-2.tmp", true),
            ("model.safetensors.old.tmp", true),
        ];
        fs::create_dir(folder.join(SAMPLES)).expect("created");
        for (name, _) in names {
            fs::write(folder.join(name), name).expect("written");
        }
        RunFolder::open(folder, &std::collections::BTreeMap::from([("steps", 3)]), 0)
            .map(drop)
            .expect("opened");
        for (name, stays) in names {
            assert_eq!(folder.join(name).exists(), stays, "{name}");
        }
    }
}
