//! What happens around the steps of a run: losses logged, samples, validation, checkpoints, progress
//! reported.

use std::{path::PathBuf, sync::mpsc::Receiver};

use burn::tensor::Device;
use context_encoder_data::{DataError, Sample, Skipped};
use context_encoder_inpaint::Fill;
use context_encoder_model::{SaveOptions, TrainingRecord};

use crate::{
    DataWait, Hooks, Losses, Progress, StepRecord, Throughput, TrainError, Validation,
    checkpoint::{CheckpointWriter, Header, RunFolder},
    data_parallel::DataParallel,
    task::{Task, Trainer},
    validation::ValidationSet,
};

/// The batches of a run, from where it starts or resumes.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<Vec<Sample>, DataError>>>;

/// A run from start or resumption to its end.
pub(crate) struct Session<'a, C: Task> {
    pub(crate) config: C,
    /// The first of the run's devices.
    pub(crate) device: Device,
    /// Steps done before, and now.
    pub(crate) first_step: u64,
    pub(crate) step: u64,
    pub(crate) steps_per_epoch: u64,
    /// The training pictures, by fingerprint.
    pub(crate) pictures: u64,
    /// What is hidden, in words.
    pub(crate) masks_description: String,
    pub(crate) batches: Batches,
    pub(crate) folder: RunFolder,
    pub(crate) validation_set: ValidationSet,
    pub(crate) validation: Option<Validation>,
    /// Pictures that the loader reports, and all that were skipped.
    pub(crate) newly_skipped: Receiver<Skipped>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) throughput: Throughput,
    /// Whether it was said why steps are not replayed.
    pub(crate) recording_failed: bool,
    pub(crate) progress: &'a mut dyn Progress,
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
    /// The checkpoint for [`Run::resume`](crate::Run::resume).
    pub checkpoint: PathBuf,
    /// Image grids of samples, the newest last.
    pub samples: Vec<PathBuf>,
    /// Pictures that could not be used.
    pub skipped: Vec<Skipped>,
    /// Percentage of the steps' time that went by before a batch was there, 0 to 100.
    pub data_wait: f32,
}

impl<C: Task> Session<'_, C> {
    /// A picture cannot be used.
    pub(crate) fn skip(&mut self, picture: Skipped) {
        self.progress.skipped(&picture);
        self.skipped.push(picture);
    }

    fn skip_newly_found(&mut self) {
        for picture in self.newly_skipped.try_iter().collect::<Vec<_>>() {
            self.skip(picture);
        }
    }

    /// The network as it stands, in evaluation.
    fn filler(&self, trainers: &DataParallel<C::Trainer>) -> Box<dyn Fill> {
        trainers.first().filler(&self.device)
    }

    /// Writes an image grid of samples.
    pub(crate) fn write_samples(&mut self, trainers: &DataParallel<C::Trainer>) -> Result<(), TrainError> {
        let grid = self.validation_set.samples(&*self.filler(trainers))?;
        let path = self.folder.write_samples(self.step, &grid)?;
        self.progress.written(&path);
        Ok(())
    }

    /// Validates the network, once a step.
    fn validate(&mut self, trainers: &DataParallel<C::Trainer>) -> Result<Validation, TrainError> {
        let step = self.step;
        if let Some(found) = self.validation.iter().find(|found| found.step == step) {
            return Ok(found.clone());
        }
        let found = self.validation_set.validate(&*self.filler(trainers), step)?;
        if step > self.first_step {
            self.folder.validation.append(&[found.row()])?;
        }
        self.progress.validated(&found);
        self.validation = Some(found.clone());
        Ok(found)
    }

    /// Writes checkpoint and weights, unless nothing was trained since they were read.
    fn checkpoint(&mut self, trainers: &DataParallel<C::Trainer>) -> Result<(), TrainError> {
        let (step, config) = (self.step, &self.config);
        if step == self.first_step && self.folder.is_written() {
            return Ok(());
        }
        let trainer = trainers.first();
        let mut writer = CheckpointWriter::new(&self.folder.checkpoint, step);
        trainer.write(&mut writer)?;
        let header = Header::new(config, step, step / self.steps_per_epoch, self.pictures)?;
        writer.finish(C::CHECKPOINT_KEY, header)?;
        let record = TrainingRecord {
            steps: step,
            samples: step * config.run().batch_size as u64,
            masks: self.masks_description.clone(),
            data: config.run().data.describe(),
        };
        trainer.save_weights(
            &SaveOptions { record: Some(record), ..SaveOptions::default() },
            &self.folder.weights,
        )?;
        self.progress.written(&self.folder.checkpoint);
        self.progress.written(&self.folder.weights);
        Ok(())
    }

    /// What is due at the end of the run, complete or stopped.
    pub(crate) fn finish(mut self, trainers: &DataParallel<C::Trainer>) -> Result<Summary, TrainError> {
        self.batches = Box::new(std::iter::empty()); // stops the threads that prepare pictures
        self.skip_newly_found();
        self.checkpoint(trainers)?;
        if self.config.run().samples_every > 0 {
            self.write_samples(trainers)?;
        }
        let validation = self.validate(trainers)?;
        self.progress.end();
        let RunFolder { weights, checkpoint, samples, .. } = self.folder;
        let (step, data_wait, skipped) = (self.step, self.throughput.data_wait, self.skipped);
        Ok(Summary { step, validation, weights, checkpoint, samples, skipped, data_wait })
    }
}

impl<C: Task> Hooks<DataParallel<C::Trainer>> for Session<'_, C> {
    type Error = TrainError;

    fn batch(&mut self, _step: u64) -> Result<Option<Vec<Sample>>, TrainError> {
        Ok(self.batches.next().transpose()?)
    }

    fn is_due(&self, steps_done: u64) -> bool {
        let run = self.config.run();
        [run.log_every, run.samples_every, run.validate_every, run.checkpoint_every]
            .into_iter()
            .any(|every| is_due(every, steps_done))
    }

    /// Comes before anything that is written, so that nothing is written after a loss that is NaN.
    fn read(
        &mut self,
        trainers: &DataParallel<C::Trainer>,
        losses: Vec<(u64, Losses)>,
        data_wait: &mut DataWait,
    ) -> Result<(), TrainError> {
        self.step = losses.last().map_or(self.step, |(step, _)| *step);
        let batch_size = self.config.run().batch_size as u64;
        let mut records = StepRecord::read(&losses, batch_size, self.steps_per_epoch)?;
        if !records.is_empty() {
            let percent = data_wait.end_interval();
            records.iter_mut().for_each(|record| record.data_wait = percent);
        }
        self.throughput.step = self.step;
        self.throughput.data_wait = data_wait.overall();
        self.folder.log.append(&records)?;
        self.progress.steps(&records, &self.throughput);
        self.skip_newly_found();
        if let Some(reason) = trainers.first().recording_failed()
            && !std::mem::replace(&mut self.recording_failed, true)
        {
            self.progress
                .remark(&format!("steps are computed one by one, as recording one failed: {reason}"));
        }
        Ok(())
    }

    fn after_reading(
        &mut self,
        trainers: &DataParallel<C::Trainer>,
        steps_done: u64,
    ) -> Result<(), TrainError> {
        let run = self.config.run();
        let [samples, validation, checkpoint] = [run.samples_every, run.validate_every, run.checkpoint_every]
            .map(|every| is_due(every, steps_done));
        if samples {
            self.write_samples(trainers)?;
        }
        if validation {
            self.validate(trainers)?;
        }
        if checkpoint {
            self.checkpoint(trainers)?;
        }
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.progress.should_stop()
    }
}

/// 0 stands for never.
fn is_due(every: u64, steps_done: u64) -> bool {
    every > 0 && steps_done.is_multiple_of(every)
}
