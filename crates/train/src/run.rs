//! A run in its folder: steps, logs, sheets, validation, checkpoints.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use burn::{module::Module, tensor::Device};
use context_encoder_data::{Loader, LoaderConfig, Position, Refused};
use context_encoder_eval::{Inpainter, sheet};
use context_encoder_mask::MaskGenerator;
use context_encoder_model::{TrainingRecord, parameter_count};

use crate::{
    Learner, Progress, TrainConfig, TrainError, Validation, bundle,
    dataset::Dataset,
    journal::{Journal, Pending, StepNumber, replace},
    progress::{Pace, Plan},
    validation::ValidationSet,
};

/// Names inside a run's folder.
const CONFIG: &str = "config.toml";
const LOG: &str = "log.csv";
const VALIDATION: &str = "validation.csv";
const SAMPLES: &str = "samples";
const CHECKPOINT: &str = "checkpoint.bpk";
const LOCK: &str = ".lock";
const WEIGHTS: &str = "model.safetensors";

/// Settings that may change when a run goes on.
const CHANGEABLE: [&str; 8] = [
    "steps",
    "generator_rate",
    "discriminator_rate",
    "workers",
    "log_every",
    "sheet_every",
    "validate_every",
    "checkpoint_every",
];

/// A training run in its folder.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_train::{Run, TrainConfig};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("run");
/// let mut config = TrainConfig::from_toml("steps = 2\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2")?;
/// config.model = config.model.with_size(64).with_width(2);
/// let summary = Run::start(config, &folder, &Device::flex())?.train(&mut ())?;
/// assert_eq!(summary.step, 2);
/// assert!(summary.weights.exists());
///
/// let summary = Run::resume(&folder, &Device::flex())?.with_steps(3).train(&mut ())?;
/// assert_eq!(summary.step, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Run {
    config: TrainConfig,
    folder: PathBuf,
    learner: Learner,
    step: u64,
    /// The pictures that it learned from so far, by fingerprint.
    pictures: Option<u64>,
    device: Device,
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Steps done in all.
    pub step: u64,
    /// The last validation.
    pub validation: Validation,
    /// Weights for [`Inpainter::load`].
    pub weights: PathBuf,
    /// The checkpoint for [`Run::resume`].
    pub checkpoint: PathBuf,
    /// Sheets of samples, the newest last.
    pub sheets: Vec<PathBuf>,
    /// Pictures that could not be used.
    pub refused: Vec<Refused>,
}

impl Run {
    /// Prepares a new run in a folder that holds none yet.
    ///
    /// # Errors
    /// [`TrainError::Occupied`] when the folder holds a run, [`TrainError::Config`] when the configuration makes
    /// no run, [`TrainError::Io`] when the folder cannot be made.
    pub fn start(config: TrainConfig, folder: impl AsRef<Path>, device: &Device) -> Result<Self, TrainError> {
        let folder = folder.as_ref().to_owned();
        let config = TrainConfig { data: config.data.absolute(), ..config };
        config.validate()?;
        // A run that was stopped before its first checkpoint left nothing to lose.
        if bundle::newest(&folder.join(CHECKPOINT)).exists() || folder.join(WEIGHTS).exists() {
            return Err(TrainError::Occupied { folder });
        }
        let learner = Learner::new(&config, device)?;
        Ok(Self { config, folder, learner, step: 0, pictures: None, device: device.clone() })
    }

    /// Continues a run from its checkpoint, as if it had never stopped.
    ///
    /// # Errors
    /// [`TrainError::Io`] when there is no checkpoint, [`TrainError::Checkpoint`] when it cannot be used.
    pub fn resume(folder: impl AsRef<Path>, device: &Device) -> Result<Self, TrainError> {
        let folder = folder.as_ref().to_owned();
        let (learner, header) = bundle::load(&bundle::newest(&folder.join(CHECKPOINT)), device)?;
        let (step, pictures) = (header.step, Some(header.pictures));
        Ok(Self { config: header.config, folder, learner, step, pictures, device: device.clone() })
    }

    /// Changes a setting that leaves what was learned as it is: steps, learning rates, intervals, workers; written as
    /// for [`TrainConfig::with_override`].
    ///
    /// # Errors
    /// [`TrainError::Config`] for any other key.
    pub fn with_override(mut self, assignment: &str) -> Result<Self, TrainError> {
        let key = assignment.split('=').next().unwrap_or_default().trim();
        if !CHANGEABLE.contains(&key) {
            return Err(TrainError::config(format!(
                "`{key}` cannot be changed in a run; these can: {}",
                CHANGEABLE.join(", ")
            )));
        }
        self.config = self.config.with_override(assignment)?;
        self.config.validate()?;
        self.learner.set_rates(&self.config);
        Ok(self)
    }

    /// Sets the steps at which the run is complete, to go on longer than was planned.
    pub fn with_steps(mut self, steps: u64) -> Self {
        self.config.steps = steps;
        self
    }

    /// The run's configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The networks.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Trains to the last step, or until `progress` asks to stop; the checkpoint is written either way.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] when a loss or weight is no number, and whatever data, files and networks can
    /// refuse. The last good checkpoint is kept.
    pub fn train(mut self, progress: &mut dyn Progress) -> Result<Summary, TrainError> {
        if self.config.steps < self.step {
            let (steps, done) = (self.config.steps, self.step);
            return Err(TrainError::config(format!(
                "steps is {steps}, but the run has done {done}; write more"
            )));
        }
        let side = self.config.model.size as u32;
        let dataset = self.config.data.open(side, self.config.seed, self.config.validation_pictures)?;
        let fingerprint = dataset.fingerprint();
        if self.pictures.is_some_and(|pictures| pictures != fingerprint) {
            return Err(TrainError::config(
                "the data folder holds other pictures than when the run began; bring them back, or start a new run",
            ));
        }
        self.pictures = Some(fingerprint);
        let masks: Arc<dyn MaskGenerator> = self.config.masks.build()?.into();
        let (validation_set, unreadable) = ValidationSet::open(&self.config, &dataset, &*masks)?;
        let (tell, refusals) = mpsc::channel();
        let loader = self.loader(&dataset, masks)?.on_refused(move |picture| {
            // The run may have ended; then nobody needs to know.
            let _ = tell.send(picture.clone());
        });
        let mut files = Files::create(&self.folder, &self.config, self.step)?;
        let mut refused = [dataset.refused.clone(), unreadable].concat();
        progress.begin(&self.plan(&loader, &dataset));
        for picture in &refused {
            progress.refused(picture);
        }

        if self.step == 0 && self.config.sheet_every > 0 {
            progress.written(&files.sheet(&validation_set, &self.inpainter(), &self.learner, 0)?);
        }
        let first_step = self.step;
        let mut pace = Pace::new(self.step, self.config.steps, self.config.batch_size);
        let mut pending = Pending::default();
        let mut validation = None;
        let mut batches = loader.run(Position { epoch: 0, step: self.step });
        let device = self.device.clone().without_autodiff().autodiff();
        while self.step < self.config.steps && !progress.should_stop() {
            let Some(batch) = batches.next() else { break };
            let batch = batch?.to_device(&device);
            let (learner, terms) = self.learner.step(&batch);
            self.learner = learner;
            self.step += 1;
            pace.step = self.step;
            pending.push(self.number(&loader, self.step), terms);

            let last = self.step == self.config.steps;
            let due = |every: u64| every > 0 && self.step.is_multiple_of(every);
            let (sheet, validate, checkpoint) = (
                due(self.config.sheet_every),
                due(self.config.validate_every),
                due(self.config.checkpoint_every),
            );
            if !(last || due(self.config.log_every) || sheet || validate || checkpoint) {
                continue;
            }
            // Nothing is written after a step whose numbers have not been seen to be finite.
            let records = pending.read()?;
            files.log.append(&records)?;
            progress.steps(&records, &pace);
            for picture in refusals.try_iter() {
                progress.refused(&picture);
                refused.push(picture);
            }
            if (sheet || validate) && !last {
                let inpainter = self.inpainter();
                if sheet {
                    progress.written(&files.sheet(&validation_set, &inpainter, &self.learner, self.step)?);
                }
                if validate {
                    let found = validation_set.validate(&inpainter, self.step)?;
                    files.validation.append(&[found.row()])?;
                    progress.validated(&found);
                    validation = Some(found);
                }
            }
            if checkpoint && !last {
                self.write(&files, &loader)?;
                progress.written(&files.checkpoint);
            }
        }
        drop(batches);

        let records = pending.read()?;
        files.log.append(&records)?;
        self.write(&files, &loader)?;
        progress.written(&files.checkpoint);
        progress.written(&files.weights);
        let inpainter = self.inpainter();
        if self.config.sheet_every > 0 {
            progress.written(&files.sheet(&validation_set, &inpainter, &self.learner, self.step)?);
        }
        let validation = match validation {
            Some(found) if found.step == self.step => found,
            _ => {
                let found = validation_set.validate(&inpainter, self.step)?;
                if self.step > first_step {
                    files.validation.append(&[found.row()])?;
                }
                progress.validated(&found);
                found
            }
        };
        progress.end();
        let Files { weights, checkpoint, sheets, .. } = files;
        Ok(Summary { step: self.step, validation, weights, checkpoint, sheets, refused })
    }

    fn loader(&self, dataset: &Dataset, masks: Arc<dyn MaskGenerator>) -> Result<Loader, TrainError> {
        let settings = LoaderConfig {
            batch_size: self.config.batch_size,
            seed: self.config.seed,
            workers: self.config.workers,
            view: dataset.view,
            sharing: self.config.mask_sharing,
            on_bad_picture: dataset.on_bad_picture,
            ..LoaderConfig::default()
        };
        Ok(Loader::new(dataset.training.clone(), masks, settings)?)
    }

    fn plan(&self, loader: &Loader, dataset: &Dataset) -> Plan {
        let pictures = (dataset.training.len(), dataset.validation.len());
        Plan {
            first_step: self.step,
            steps: self.config.steps,
            steps_per_epoch: loader.steps_per_epoch(),
            batch_size: self.config.batch_size,
            parameters: parameter_count(self.learner.model()),
            data: format!(
                "{}, {} pictures and {} to validate on",
                self.config.data.describe(),
                pictures.0,
                pictures.1
            ),
            masks: self.config.masks.to_string(),
            device: format!("{:?}", self.device),
            folder: self.folder.clone(),
        }
    }

    fn number(&self, loader: &Loader, step: u64) -> StepNumber {
        StepNumber {
            step,
            epoch: (step - 1) / loader.steps_per_epoch(),
            samples: step * self.config.batch_size as u64,
        }
    }

    /// The generator as it stands, ready to fill pictures.
    fn inpainter(&self) -> Inpainter {
        Inpainter::new(self.learner.model(), &self.device)
    }

    /// Writes checkpoint and weights.
    fn write(&self, files: &Files, loader: &Loader) -> Result<(), TrainError> {
        let state = bundle::State {
            config: &self.config,
            step: self.step,
            epoch: self.step / loader.steps_per_epoch(),
            pictures: self.pictures.unwrap_or_default(),
        };
        bundle::save(&self.learner, &state, &files.checkpoint)?;
        let record = TrainingRecord {
            steps: self.step,
            samples: self.step * self.config.batch_size as u64,
            masks: self.config.masks.to_string(),
            data: self.config.data.describe(),
        };
        self.learner.model().valid().save_with(&record, &files.weights)?;
        Ok(())
    }
}

/// The files of a run.
struct Files {
    log: Journal,
    validation: Journal,
    checkpoint: PathBuf,
    weights: PathBuf,
    samples: PathBuf,
    sheets: Vec<PathBuf>,
    /// Held for the run; the system lets go of it however the program ends.
    _lock: File,
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

impl Files {
    /// Makes the folder, or opens it at `step`.
    fn create(folder: &Path, config: &TrainConfig, step: u64) -> Result<Self, TrainError> {
        let samples = folder.join(SAMPLES);
        fs::create_dir_all(&samples).map_err(|source| TrainError::Io {
            action: "create",
            path: samples.clone(),
            source,
        })?;
        let lock = lock(folder)?;
        let path = folder.join(CONFIG);
        replace(&path, &config.to_toml()?).map_err(|source| TrainError::Io {
            action: "write",
            path,
            source,
        })?;
        Ok(Self {
            log: Journal::open(&folder.join(LOG), step)?,
            validation: Journal::open(&folder.join(VALIDATION), step)?,
            checkpoint: folder.join(CHECKPOINT),
            weights: folder.join(WEIGHTS),
            samples,
            sheets: Vec::new(),
            _lock: lock,
        })
    }

    /// Writes the sheet of a step and returns its path.
    fn sheet(
        &mut self,
        validation: &ValidationSet,
        inpainter: &Inpainter,
        learner: &Learner,
        step: u64,
    ) -> Result<PathBuf, TrainError> {
        let path = self.samples.join(format!("step_{step:06}.png"));
        sheet::save(&validation.sheet(inpainter, learner.model())?, &path)?;
        self.sheets.push(path.clone());
        Ok(path)
    }
}
