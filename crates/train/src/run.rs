//! A run in its folder: steps, logs, samples, validation, checkpoints.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
};

use context_encoder_data::{Loader, LoaderConfig};

use crate::{
    Plan, Progress, RunSettings, Throughput, TrainConfig, TrainError,
    checkpoint::{CheckpointReader, Header, RunFolder},
    data_parallel::{DataParallel, Devices},
    dataset::Dataset,
    overrides,
    session::{Session, Summary},
    task::{BatchSpec, Task, Trainer},
    training_loop,
    validation::ValidationSet,
};

/// Keys that may change when a run is resumed, beside its learning rates.
const CHANGEABLE: [&str; 8] = [
    "steps",
    "precision",
    "workers",
    "data.cache_mib",
    "log_every",
    "samples_every",
    "validate_every",
    "checkpoint_every",
];

/// A training run in its folder: for inpainting by a [`TrainConfig`], for features by a
/// [`PretrainConfig`](crate::PretrainConfig).
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
/// let summary = Run::<TrainConfig>::resume(&folder, &Device::flex())?.with_steps(3).train(&mut ())?;
/// assert_eq!(summary.step, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Run<C: Task = TrainConfig> {
    config: C,
    folder: PathBuf,
    trainers: DataParallel<C::Trainer>,
    step: u64,
    /// The training pictures so far, by fingerprint.
    pictures: Option<u64>,
    devices: Devices,
}

impl<C: Task> Run<C> {
    /// Whether a folder holds a run that [`resume`](Self::resume) can continue, or its weights.
    pub fn is_in(folder: impl AsRef<Path>) -> bool {
        RunFolder::holds_a_run(folder.as_ref())
    }

    /// The weights that a folder's run left, where they are those of its newest checkpoint.
    pub fn weights_in(folder: impl AsRef<Path>) -> Option<PathBuf> {
        RunFolder::newest_weights(folder.as_ref())
    }

    /// Prepares a new run in a folder that holds none yet, on one device (`&Device`) or on several
    /// [`Devices`].
    ///
    /// # Errors
    /// [`TrainError::Occupied`] when the folder holds a run, [`TrainError::Config`] when the configuration is
    /// unusable, its initial weights are of another network or the devices cannot split a batch,
    /// [`TrainError::Io`] when the folder cannot be made.
    pub fn start(
        mut config: C,
        folder: impl AsRef<Path>,
        devices: impl Into<Devices>,
    ) -> Result<Self, TrainError> {
        let (folder, devices) = (folder.as_ref().to_owned(), devices.into());
        config.make_paths_absolute();
        let RunSettings { batch_size, remarks, .. } = config.run();
        let usable = config.validate().and_then(|()| devices.validate(*batch_size, config.ghost_batches()));
        usable.map_err(|error| remarks.explain(error))?;
        // A run that was stopped before its first checkpoint left nothing to lose.
        if RunFolder::holds_a_run(&folder) {
            return Err(TrainError::Occupied { folder });
        }
        let trainers = DataParallel::new(&devices, |device| C::Trainer::start(&config, device))?;
        Ok(Self { config, folder, trainers, step: 0, pictures: None, devices })
    }

    /// Resumes a run from its checkpoint, as if it had never stopped; on as many devices as before, or on
    /// others.
    ///
    /// # Errors
    /// [`TrainError::Io`] when there is no checkpoint, [`TrainError::Checkpoint`] when it cannot be used,
    /// [`TrainError::Config`] when the devices cannot split a batch.
    pub fn resume(folder: impl AsRef<Path>, devices: impl Into<Devices>) -> Result<Self, TrainError> {
        let (folder, devices) = (folder.as_ref().to_owned(), devices.into());
        let path = RunFolder::newest_checkpoint(&folder);
        let Checkpoint { step, config, pictures, .. } = Checkpoint::<C>::load(&path)?;
        devices.validate(config.run().batch_size, config.ghost_batches())?;
        let trainers = DataParallel::new(&devices, |device| {
            let (mut reader, header) = CheckpointReader::open(&path, C::CHECKPOINT_KEY)?;
            let trainer = C::Trainer::new(&config, device)?.read(&mut reader)?;
            reader.finish()?;
            if header.step == step {
                return Ok(trainer);
            }
            let reason = "it changed while it was read: a run is under way in this folder; wait for its end"
                .to_owned();
            Err(TrainError::Checkpoint { path: path.clone(), reason })
        })?;
        Ok(Self { config, folder, trainers, step, pictures: Some(pictures), devices })
    }

    /// Changes a setting that leaves what was trained as it is: steps, learning rates, precision, intervals,
    /// workers, the pictures' cache; written as for [`TrainConfig::with_override`].
    ///
    /// # Errors
    /// [`TrainError::Config`] for any other key.
    pub fn with_override(mut self, assignment: &str) -> Result<Self, TrainError> {
        let key = assignment.split('=').next().unwrap_or_default().trim();
        let mut changeable = CHANGEABLE[..1].iter().chain(C::LEARNING_RATES).chain(&CHANGEABLE[1..]);
        if !changeable.clone().any(|changeable| *changeable == overrides::current_name(key)) {
            let first = changeable.next().map(ToString::to_string).unwrap_or_default();
            let changeable = changeable.fold(first, |all, key| format!("{all}, {key}"));
            return Err(TrainError::config(format!(
                "`{key}` cannot be changed in a run; these can: {changeable}"
            )));
        }
        let (mut config, remarks): (C, _) = overrides::with_override(&self.config, assignment)?;
        config.run_mut().remarks = std::mem::take(&mut self.config.run_mut().remarks);
        config.run_mut().remarks.add(remarks);
        config.validate().map_err(|error| config.run().remarks.explain(error))?;
        self.config = config;
        self.trainers.each(|trainer| trainer.set(&self.config));
        Ok(self)
    }

    /// Reads the pictures where they lie now, and those that are excluded; which pictures they are is checked
    /// when training begins.
    ///
    /// # Errors
    /// [`TrainError::Config`] when the run draws its pictures.
    pub fn with_moved_data(mut self, folder: &Path, excluded: Option<&Path>) -> Result<Self, TrainError> {
        self.config.run_mut().data.moved_to(folder, excluded)?;
        Ok(self)
    }

    /// Sets the steps at which the run is complete, to train longer than was planned.
    pub fn with_steps(mut self, steps: u64) -> Self {
        self.config.run_mut().steps = steps;
        self.trainers.each(|trainer| trainer.set(&self.config));
        self
    }

    /// The run's configuration.
    pub fn config(&self) -> &C {
        &self.config
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// What is trained; on several devices the first one's, like which all others are.
    pub fn trainer(&self) -> &C::Trainer {
        self.trainers.first()
    }

    /// Trains to the last step, or until `progress` asks to stop; the checkpoint is written either way.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] when a loss or weight is NaN or infinite, and whatever data, files and
    /// networks can refuse. The last good checkpoint is kept.
    pub fn train(self, progress: &mut dyn Progress) -> Result<Summary, TrainError> {
        let mut session = self.open(progress)?;
        let steps = self.step..self.config.run().steps;
        let trainers = training_loop(self.trainers, steps, &mut session)?;
        session.finish(&trainers)
    }

    /// Opens data and folder; everything that can be refused is refused here, before the first step.
    fn open<'a>(&self, progress: &'a mut dyn Progress) -> Result<Session<'a, C>, TrainError> {
        let (done, config) = (self.step, &self.config);
        let RunSettings { steps, batch_size, seed, precision, validation_pictures, .. } = *config.run();
        self.devices.validate_precision(precision)?;
        if steps < done {
            return Err(TrainError::config(format!(
                "steps is {steps}, but the run has done {done}; write more"
            )));
        }
        let RunSettings { data, augmentation, .. } = config.run();
        let batch_spec = config.batch_spec()?;
        let dataset = Dataset::open(data, *augmentation, batch_spec.size, seed, validation_pictures)?;
        let pictures = dataset.training.fingerprint();
        if self.pictures.is_some_and(|before| before != pictures) {
            return Err(TrainError::config(
                "the data folder holds other pictures than when the run began; bring them back, name the folder where \
                 they are now with --data, or start a new run",
            ));
        }
        let (validation_set, unreadable) = ValidationSet::open(&dataset, &batch_spec, validation_pictures)?;
        let (report, newly_skipped) = mpsc::channel();
        let loader = self.loader(&dataset, &batch_spec)?.on_skipped(move |picture| {
            // The run may have ended; then nobody needs to know.
            let _ = report.send(picture.clone());
        });
        let folder = RunFolder::open(&self.folder, config, done)?;
        progress.begin(&self.plan(&loader, &dataset, &batch_spec));
        for remark in config.run().remarks.0.iter().chain(&dataset.remarks) {
            progress.remark(remark);
        }
        let mut session = Session {
            config: config.clone(),
            device: self.devices.first().clone(),
            first_step: done,
            step: done,
            steps_per_epoch: loader.steps_per_epoch(),
            pictures,
            masks_description: batch_spec.masks_description,
            batches: Box::new(loader.run(done)),
            folder,
            validation_set,
            validation: None,
            newly_skipped,
            skipped: Vec::new(),
            recording_failed: false,
            throughput: Throughput::new(done, steps, batch_size),
            progress,
        };
        for picture in dataset.skipped.into_iter().chain(unreadable) {
            session.skip(picture);
        }
        if done == 0 && config.run().samples_every > 0 {
            session.write_samples(&self.trainers)?;
        }
        Ok(session)
    }

    fn loader(&self, dataset: &Dataset, batch_spec: &BatchSpec) -> Result<Loader, TrainError> {
        let RunSettings { batch_size, seed, workers, .. } = *self.config.run();
        let settings = LoaderConfig {
            batch_size,
            seed,
            workers,
            cache_mib: dataset.cache_mib,
            transform: dataset.transform,
            mask_sharing: batch_spec.mask_sharing,
            strict: dataset.strict,
            ..LoaderConfig::default()
        };
        Ok(Loader::new(dataset.training.clone(), batch_spec.masks.clone(), settings)?)
    }

    fn plan(&self, loader: &Loader, dataset: &Dataset, batch_spec: &BatchSpec) -> Plan {
        let run = self.config.run();
        let (training, validation) = (dataset.training.len(), dataset.validation.len());
        Plan {
            first_step: self.step,
            steps: run.steps,
            steps_per_epoch: loader.steps_per_epoch(),
            batch_size: run.batch_size,
            parameters: self.trainers.first().parameter_count(),
            data: format!("{}, {training} pictures and {validation} for validation", run.data.describe()),
            masks: batch_spec.masks_description.clone(),
            device: self.devices.describe(),
            folder: self.folder.clone(),
        }
    }
}

/// What a checkpoint says of itself; its tensors are not read.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_train::{Checkpoint, Run, TrainConfig};
///
/// # let folder = tempfile::tempdir()?;
/// let mut config = TrainConfig::from_toml("steps = 1\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2")?;
/// config.model = config.model.with_size(64).with_width(2);
/// let summary = Run::start(config, folder.path(), &Device::flex())?.train(&mut ())?;
/// let checkpoint = Checkpoint::<TrainConfig>::load(&summary.checkpoint)?;
/// assert_eq!((checkpoint.step, checkpoint.config.model.size), (1, 64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint<C> {
    /// Steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: u64,
    /// Everything that the run depends on.
    pub config: C,
    /// The training pictures, by fingerprint.
    pictures: u64,
}

impl<C: Task> Checkpoint<C> {
    /// Reads it from `checkpoint.bpk`.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be read, [`TrainError::Checkpoint`] when it is no checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let (_, header) = Header::open(path, C::CHECKPOINT_KEY)?;
        let config: C = header.config(path)?;
        config.validate()?;
        Ok(Self { step: header.step, epoch: header.epoch, config, pictures: header.pictures })
    }
}

#[cfg(test)]
mod tests {
    use burn::{module::Module, tensor::Device};
    use context_encoder_model::Model;

    use super::*;

    #[test]
    fn run_starts_from_the_weights_of_another() {
        let folder = tempfile::tempdir().expect("folder");
        let device = Device::flex();
        let text = "steps = 1\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2\nsamples_every = 0\nema_decay = 0.5";
        let mut config = TrainConfig::from_toml(text).expect("readable");
        config.model = config.model.with_size(64).with_width(2);
        config.run.seed = 7;
        let first = Run::start(config.clone(), folder.path().join("first"), &device).expect("new");
        let weights = first.train(&mut ()).expect("trained").weights;

        let picture = || burn::tensor::Tensor::<4>::ones([1, 3, 64, 64], &device) * 0.3;
        let features = |model: &Model| model.encode(picture()).into_data().try_to_vec::<f32>().expect("f32");
        let saved = features(&Model::load(&weights, &device).expect("weights"));
        config.run.seed = 8;
        config.init_from = Some(weights);
        // With a moving average, it is the average that is shown and saved.
        for ema_decay in [0.0, 0.5] {
            config.ema_decay = ema_decay;
            let started =
                Run::start(config.clone(), folder.path().join(ema_decay.to_string()), &device).expect("new");
            assert_eq!(features(&started.trainer().model().valid()), saved, "ema_decay {ema_decay}");
            let trained = started.train(&mut ()).expect("trained").weights;
            let trained = features(&Model::load(trained, &device).expect("weights"));
            assert_ne!(trained, saved, "training goes on from there");
        }

        config.model = config.model.with_width(4);
        let error = Run::start(config, folder.path().join("third"), &device).err().expect("another network");
        assert!(error.to_string().contains("init_from") && error.to_string().contains("make them alike"));
    }
}
