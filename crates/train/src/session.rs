//! What goes on around the steps of a run: numbers read, files written, the onlooker told.

use std::sync::mpsc::Receiver;

use context_encoder_data::Skipped;
use context_encoder_inpaint::Fill;
use context_encoder_model::{SaveOptions, TrainingRecord};

use crate::{
    Progress, StepTerms, Summary, TrainError, Validation,
    bundle::{self, State},
    journal::{Pending, StepNumber},
    progress::Pace,
    recipe::{Course, Learn, Recipe},
    run_folder::RunFolder,
    validation::ValidationSet,
    waiting::Waiting,
};

/// Where in its data a run stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Steps done.
    pub(crate) done: u64,
    pub(crate) steps_per_epoch: u64,
    /// The pictures it learns from, by fingerprint.
    pub(crate) pictures: u64,
}

/// One sitting of a run, from start or resumption to its end.
pub(crate) struct Session<'a> {
    place: Place,
    first_step: u64,
    batch_size: u64,
    pace: Pace,
    waiting: Waiting,
    pending: Pending,
    folder: RunFolder,
    validation_set: ValidationSet,
    validated: Option<Validation>,
    refusals: Receiver<Skipped>,
    skipped: Vec<Skipped>,
    progress: &'a mut dyn Progress,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        course: Course,
        place: Place,
        folder: RunFolder,
        validation_set: ValidationSet,
        refusals: Receiver<Skipped>,
        progress: &'a mut dyn Progress,
    ) -> Self {
        Self {
            place,
            first_step: place.done,
            batch_size: course.batch_size as u64,
            pace: Pace::new(place.done, course.steps, course.batch_size),
            waiting: Waiting::default(),
            pending: Pending::default(),
            folder,
            validation_set,
            validated: None,
            refusals,
            skipped: Vec::new(),
            progress,
        }
    }

    pub(crate) fn should_stop(&self) -> bool {
        self.progress.should_stop()
    }

    /// Takes the time of what gives the next batch.
    pub(crate) fn wait<T>(&mut self, next: impl FnOnce() -> T) -> T {
        self.waiting.wait(next)
    }

    /// A step was done; its numbers stay on the device until the next [`report`](Self::report).
    pub(crate) fn stepped(&mut self, step: u64, terms: StepTerms) {
        self.place.done = step;
        self.pace.step = step;
        let epoch = (step - 1) / self.place.steps_per_epoch;
        self.pending.push(StepNumber { step, epoch, samples: step * self.batch_size }, terms);
    }

    /// Reads the numbers of all steps since the last report. Comes before anything that is written, so that nothing is
    /// written after a number that is none.
    pub(crate) fn report(&mut self) -> Result<(), TrainError> {
        let records = self.pending.read(|| self.waiting.end_interval())?;
        self.pace.waiting = self.waiting.overall();
        self.folder.log.append(&records)?;
        self.progress.steps(&records, &self.pace);
        for picture in self.refusals.try_iter().collect::<Vec<_>>() {
            self.refuse(picture);
        }
        Ok(())
    }

    /// A picture cannot be used.
    pub(crate) fn refuse(&mut self, picture: Skipped) {
        self.progress.skipped(&picture);
        self.skipped.push(picture);
    }

    /// Writes a sheet of samples.
    pub(crate) fn sheet(&mut self, network: &dyn Fill) -> Result<(), TrainError> {
        let page = self.validation_set.sheet(network)?;
        let path = self.folder.write_sheet(self.place.done, &page)?;
        self.progress.written(&path);
        Ok(())
    }

    /// Measures the network, once a step.
    pub(crate) fn validate(&mut self, network: &dyn Fill) -> Result<Validation, TrainError> {
        let step = self.place.done;
        if let Some(found) = self.validated.iter().find(|found| found.step == step) {
            return Ok(found.clone());
        }
        let found = self.validation_set.validate(network, step)?;
        if step > self.first_step {
            self.folder.validation.append(&[found.row()])?;
        }
        self.progress.validated(&found);
        self.validated = Some(found.clone());
        Ok(found)
    }

    /// Writes checkpoint and weights, unless nothing was learned since they were read.
    pub(crate) fn checkpoint<C: Recipe>(
        &mut self,
        learner: &C::Learner,
        config: &C,
    ) -> Result<(), TrainError> {
        let Place { done: step, steps_per_epoch, pictures } = self.place;
        if step == self.first_step && self.folder.is_written() {
            return Ok(());
        }
        let state = State { config, step, epoch: step / steps_per_epoch, pictures };
        bundle::save(learner, &state, &self.folder.checkpoint)?;
        let record = TrainingRecord {
            steps: step,
            samples: step * self.batch_size,
            masks: config.hidden(),
            data: config.data().describe(),
        };
        let options = SaveOptions::default().with_record(record);
        learner.save(&options, &self.folder.weights)?;
        self.progress.written(&self.folder.checkpoint);
        self.progress.written(&self.folder.weights);
        Ok(())
    }

    pub(crate) fn close(self, validation: Validation) -> Summary {
        self.progress.end();
        let RunFolder { weights, checkpoint, sheets, .. } = self.folder;
        let (step, waiting) = (self.place.done, self.pace.waiting);
        Summary { step, validation, weights, checkpoint, sheets, skipped: self.skipped, waiting }
    }
}
