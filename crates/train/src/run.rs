//! A run in its folder: steps, logs, sheets, validation, checkpoints.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use context_encoder_data::{Loader, LoaderConfig, Skipped};
use context_encoder_inpaint::Fill;
use context_encoder_mask::MaskGenerator;

use crate::{
    DataConfig, Progress, TrainConfig, TrainError, Validation, bundle,
    dataset::Dataset,
    overrides,
    parallel::{Devices, Replicas},
    progress::Plan,
    recipe::{Course, Learn, Recipe},
    run_folder::RunFolder,
    session::{Place, Session},
    validation::ValidationSet,
};

/// A run that trains a network for inpainting.
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
pub type Run = Training<TrainConfig>;

/// A training run in its folder: [`Run`] for inpainting, [`Pretraining`](crate::Pretraining) for features.
pub struct Training<C: Recipe> {
    config: C,
    folder: PathBuf,
    learners: Replicas<C::Learner>,
    step: u64,
    /// The pictures that it learned from so far, by fingerprint.
    pictures: Option<u64>,
    devices: Devices,
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Steps done in all.
    pub step: u64,
    /// The last validation.
    pub validation: Validation,
    /// The network's weights, with its configuration.
    pub weights: PathBuf,
    /// The checkpoint for [`Training::resume`].
    pub checkpoint: PathBuf,
    /// Sheets of samples, the newest last.
    pub sheets: Vec<PathBuf>,
    /// Pictures that could not be used.
    pub skipped: Vec<Skipped>,
    /// Percentage of the steps' time that went by before a batch was there, 0 to 100.
    pub waiting: f32,
}

impl<C: Recipe> Training<C> {
    /// Whether a folder holds a run that [`resume`](Self::resume) can continue, or its weights.
    pub fn is_in(folder: impl AsRef<Path>) -> bool {
        RunFolder::holds_a_run(folder.as_ref())
    }

    /// The weights that a folder's run left, where they are those of its newest checkpoint.
    pub fn weights_in(folder: impl AsRef<Path>) -> Option<PathBuf> {
        RunFolder::newest_weights(folder.as_ref())
    }

    /// Prepares a new run in a folder that holds none yet, on one device (`&Device`) or on several [`Devices`].
    ///
    /// # Errors
    /// [`TrainError::Occupied`] when the folder holds a run, [`TrainError::Config`] when the configuration makes
    /// no run, its first weights are of another network or the devices cannot share a batch, [`TrainError::Io`] when
    /// the folder cannot be made.
    pub fn start(
        mut config: C,
        folder: impl AsRef<Path>,
        devices: impl Into<Devices>,
    ) -> Result<Self, TrainError> {
        let (folder, devices) = (folder.as_ref().to_owned(), devices.into());
        config.make_absolute();
        config.validate()?;
        devices.validate(config.course())?;
        // A run that was stopped before its first checkpoint left nothing to lose.
        if RunFolder::holds_a_run(&folder) {
            return Err(TrainError::Occupied { folder });
        }
        let learners = Replicas::new(&devices, |device| C::Learner::begin(&config, device))?;
        Ok(Self { config, folder, learners, step: 0, pictures: None, devices })
    }

    /// Continues a run from its checkpoint, as if it had never stopped; on as many devices as before, or on others.
    ///
    /// # Errors
    /// [`TrainError::Io`] when there is no checkpoint, [`TrainError::Checkpoint`] when it cannot be used,
    /// [`TrainError::Config`] when the devices cannot share a batch.
    pub fn resume(folder: impl AsRef<Path>, devices: impl Into<Devices>) -> Result<Self, TrainError> {
        let (folder, devices) = (folder.as_ref().to_owned(), devices.into());
        let checkpoint = RunFolder::newest_checkpoint(&folder);
        let (_, header) = bundle::open::<C>(&checkpoint)?;
        devices.validate(header.config.course())?;
        let learners = Replicas::new(&devices, |device| {
            let (learner, found) = bundle::load::<C>(&checkpoint, device)?;
            if found.step == header.step {
                return Ok(learner);
            }
            let reason = "it changed while it was read: a run is under way in this folder; wait for its end"
                .to_owned();
            Err(TrainError::Checkpoint { path: checkpoint.clone(), reason })
        })?;
        let (step, pictures) = (header.step, Some(header.pictures));
        Ok(Self { config: header.config, folder, learners, step, pictures, devices })
    }

    /// Changes a setting that leaves what was learned as it is: steps, learning rates, precision, intervals, workers,
    /// the pictures' cache; written as for [`TrainConfig::with_override`].
    ///
    /// # Errors
    /// [`TrainError::Config`] for any other key.
    pub fn with_override(mut self, assignment: &str) -> Result<Self, TrainError> {
        let key = assignment.split('=').next().unwrap_or_default().trim();
        if !C::CHANGEABLE.contains(&key) {
            return Err(TrainError::config(format!(
                "`{key}` cannot be changed in a run; these can: {}",
                C::CHANGEABLE.join(", ")
            )));
        }
        self.config = overrides::overridden(&self.config, assignment)?;
        self.config.validate()?;
        self.learners.each(|learner| learner.set_rates(&self.config));
        Ok(self)
    }

    /// Sets the steps at which the run is complete, to go on longer than was planned.
    pub fn with_steps(mut self, steps: u64) -> Self {
        self.config.set_steps(steps);
        self.learners.each(|learner| learner.set_rates(&self.config));
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

    /// What learns; on several devices the first one's, like which all others are.
    pub fn learner(&self) -> &C::Learner {
        self.learners.first()
    }

    /// Trains to the last step, or until `progress` asks to stop; the checkpoint is written either way.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] when a loss or weight is no number, and whatever data, files and networks can
    /// refuse. The last good checkpoint is kept.
    pub fn train(mut self, progress: &mut dyn Progress) -> Result<Summary, TrainError> {
        let (loader, mut session) = self.open(progress)?;
        let mut batches = loader.run(self.step);
        let Course { steps, log_every, sheet_every, validate_every, checkpoint_every, .. } =
            self.config.course();
        while self.step < steps && !session.should_stop() {
            let Some(batch) = session.wait(|| batches.next()) else { break };
            let (learners, terms) = self.learners.step(batch?);
            self.learners = learners;
            self.step += 1;
            session.stepped(self.step, terms);
            if self.step == steps {
                break; // what is due at the end is done below
            }

            let due = |every: u64| every > 0 && self.step.is_multiple_of(every);
            if [log_every, sheet_every, validate_every, checkpoint_every].into_iter().any(due) {
                session.report()?;
            }
            if due(sheet_every) {
                session.sheet(&*self.filler())?;
            }
            if due(validate_every) {
                session.validate(&*self.filler())?;
            }
            if due(checkpoint_every) {
                session.checkpoint(self.learners.first(), &self.config)?;
            }
        }
        drop(batches);

        session.report()?;
        session.checkpoint(self.learners.first(), &self.config)?;
        if sheet_every > 0 {
            session.sheet(&*self.filler())?;
        }
        let validation = session.validate(&*self.filler())?;
        Ok(session.close(validation))
    }

    /// Opens data and folder; everything that can be refused is refused here, before the first step.
    fn open<'a>(&self, progress: &'a mut dyn Progress) -> Result<(Loader, Session<'a>), TrainError> {
        let (done, config) = (self.step, &self.config);
        let Course { steps, sheet_every, precision, .. } = config.course();
        self.devices.validate_precision(precision)?;
        if steps < done {
            return Err(TrainError::config(format!(
                "steps is {steps}, but the run has done {done}; write more"
            )));
        }
        let dataset = DataConfig::open(config)?;
        let pictures = dataset.training.fingerprint();
        if self.pictures.is_some_and(|before| before != pictures) {
            return Err(TrainError::config(
                "the data folder holds other pictures than when the run began; bring them back, or start a new run",
            ));
        }
        let masks: Arc<dyn MaskGenerator> = config.masks()?.into();
        let (validation_set, unreadable) = ValidationSet::open(config, &dataset, &*masks)?;
        let (tell, refusals) = mpsc::channel();
        let loader = self.loader(&dataset, masks)?.on_skipped(move |picture| {
            // The run may have ended; then nobody needs to know.
            let _ = tell.send(picture.clone());
        });
        let folder = RunFolder::open(&self.folder, config, done)?;
        progress.begin(&self.plan(&loader, &dataset));
        let place = Place { done, steps_per_epoch: loader.steps_per_epoch(), pictures };
        let mut session = Session::new(config.course(), place, folder, validation_set, refusals, progress);
        for picture in dataset.skipped.into_iter().chain(unreadable) {
            session.refuse(picture);
        }
        if done == 0 && sheet_every > 0 {
            session.sheet(&*self.filler())?;
        }
        Ok((loader, session))
    }

    fn loader(&self, dataset: &Dataset, masks: Arc<dyn MaskGenerator>) -> Result<Loader, TrainError> {
        let Course { batch_size, seed, workers, mask_sharing, .. } = self.config.course();
        let settings = LoaderConfig {
            batch_size,
            seed,
            workers,
            cache_mib: dataset.cache_mib,
            transform: dataset.view,
            mask_sharing,
            strict: dataset.strict,
            ..LoaderConfig::default()
        };
        Ok(Loader::new(dataset.training.clone(), masks, settings)?)
    }

    fn plan(&self, loader: &Loader, dataset: &Dataset) -> Plan {
        let pictures = (dataset.training.len(), dataset.validation.len());
        let Course { steps, batch_size, .. } = self.config.course();
        Plan {
            first_step: self.step,
            steps,
            steps_per_epoch: loader.steps_per_epoch(),
            batch_size,
            parameters: self.learners.first().parameters(),
            data: format!(
                "{}, {} pictures and {} to validate on",
                self.config.data().describe(),
                pictures.0,
                pictures.1
            ),
            masks: self.config.hidden(),
            device: self.devices.describe(),
            folder: self.folder.clone(),
        }
    }

    /// The network as it stands, ready to be measured.
    fn filler(&self) -> Box<dyn Fill> {
        self.learners.first().filler(self.devices.first())
    }
}

#[cfg(test)]
mod tests {
    use burn::{module::Module, tensor::Device};
    use context_encoder_model::Model;

    use super::*;

    #[test]
    fn a_run_begins_with_the_weights_of_another() {
        let folder = tempfile::tempdir().expect("folder");
        let device = Device::flex();
        let text = "steps = 1\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2\nsheet_every = 0\naveraging = 0.5";
        let mut config = TrainConfig::from_toml(text).expect("readable");
        config.model = config.model.with_size(64).with_width(2);
        config.seed = 7;
        let first = Run::start(config.clone(), folder.path().join("first"), &device).expect("new");
        let weights = first.train(&mut ()).expect("trained").weights;

        let picture = || burn::tensor::Tensor::<4>::ones([1, 3, 64, 64], &device) * 0.3;
        let features = |model: &Model| model.encode(picture()).into_data().try_to_vec::<f32>().expect("f32");
        let saved = features(&Model::load(&weights, &device).expect("weights"));
        config.seed = 8;
        config.begin_with = Some(weights);
        // With an average, it is the average that is shown and saved.
        for averaging in [0.0, 0.5] {
            config.averaging = averaging;
            let begun =
                Run::start(config.clone(), folder.path().join(averaging.to_string()), &device).expect("new");
            assert_eq!(features(&begun.learner().model().valid()), saved, "averaging {averaging}");
            let learned = begun.train(&mut ()).expect("trained").weights;
            let learned = features(&Model::load(learned, &device).expect("weights"));
            assert_ne!(learned, saved, "it learns on from there");
        }

        config.model = config.model.with_width(4);
        let error = Run::start(config, folder.path().join("third"), &device).err().expect("another network");
        assert!(error.to_string().contains("begin_with") && error.to_string().contains("make them alike"));
    }

    #[test]
    fn what_is_tested_on_is_not_learned_from() {
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
        let data = DataConfig::folder(&train).in_folder(&train, Some(64), false);
        let mut config = TrainConfig {
            model: TrainConfig::default().model.with_size(64).with_width(2),
            data,
            ..TrainConfig::default()
        };
        let pictures = |config: &TrainConfig| {
            let dataset = DataConfig::open(config).expect("usable");
            dataset.training.len() + dataset.validation.len()
        };
        assert_eq!(pictures(&config), 6);
        config.data = config.data.without(Some(&test));
        assert_eq!(pictures(&config), 5);
    }
}
