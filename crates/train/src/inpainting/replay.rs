//! Steps of inpainting that are recorded and replayed.

use context_encoder_data::InpaintingBatch;
use context_encoder_model::Precision;
use context_encoder_ops::{ReadyToRecord, Recorded, Recording, in_place};

use super::InpaintingTrainer;
use crate::{
    Losses,
    optimized_model::{HostCopy, OptimizedModel},
    recorded_step::{Inputs, RecordedStep, Recorder, in_own_memory},
};

impl InpaintingTrainer {
    /// One step, computed or replayed.
    pub(super) fn recording_step(mut self, batch: &InpaintingBatch) -> (Self, Losses) {
        // In `f16` a step reads numbers from the device.
        let recorder = self.recorder.take().filter(|_| self.precision != Precision::F16);
        let Some(mut recorder) = recorder else {
            let (trainer, losses) = self.compute(batch, None);
            return (trainer.finish_step(), losses);
        };
        if !recorder.fits(batch) {
            // What was asked for in another thread comes first.
            let _ = batch.images.device().sync();
            recorder = Recorder::new();
        }
        let rates = self.rates();
        if recorder.is_next_to_prepare() {
            let Some(ready) = Recording::prepare(&batch.images.device()) else {
                let (trainer, losses) = self.compute(batch, None);
                return (trainer.finish_step(), losses);
            };
            self.generator.network = in_own_memory(&self.generator.network);
            if let Some(discriminator) = &mut self.discriminator {
                discriminator.network = in_own_memory(&discriminator.network);
            }
            recorder = Recorder::WarmingUp(0, Box::new(Inputs::new(batch, rates)), ready);
        }
        let is_next_to_record = recorder.is_next_to_record();
        let (mut trainer, losses, recorder) = match recorder {
            Recorder::Usual(steps) => {
                let (trainer, losses) = self.compute(batch, None);
                (trainer, losses, Some(Recorder::Usual(steps + 1)))
            }
            Recorder::WarmingUp(steps, inputs, ready) => {
                // Burn's fusion knows nothing of what is written in place, so the step before is over first.
                let _ = batch.images.device().sync();
                let inputs = inputs.refill(batch, rates);
                if is_next_to_record {
                    return self.record(ready, inputs, batch);
                }
                let (trainer, losses) = self.compute_in_place(&inputs);
                (trainer, losses, Some(Recorder::WarmingUp(steps + 1, Box::new(inputs), ready)))
            }
            Recorder::Replaying(recorded) => {
                let (recorded, losses) = recorded.replay(batch, rates);
                (self.count_replayed(), losses, Some(Recorder::Replaying(Box::new(recorded))))
            }
        };
        trainer.recorder = recorder;
        (trainer.finish_step(), losses)
    }

    /// Records a step and takes it.
    fn record(self, ready: ReadyToRecord, inputs: Inputs, batch: &InpaintingBatch) -> (Self, Losses) {
        // What fails to be recorded leaves weights behind that cannot be read. The copy is the host's, so
        // that the device has all the memory that the steps before have left.
        let backup = match self.to_host() {
            Ok(backup) => backup,
            Err(reason) => {
                let (mut trainer, losses) = self.compute(batch, None);
                trainer.recording_failed = Some(reason);
                return (trainer.finish_step(), losses);
            }
        };
        let (trainer, losses) = match ready.record(|| self.compute_in_place(&inputs)) {
            Recorded::Yes(recording, (mut trainer, losses)) => {
                let recorded = RecordedStep { recording, inputs, losses };
                let losses = recorded.compute();
                trainer.recorder = Some(Recorder::Replaying(Box::new(recorded)));
                (trainer, losses)
            }
            Recorded::No(computed) => computed,
            Recorded::Failed(reason, (trainer, _)) => {
                let (mut trainer, losses) = trainer.restored(backup).compute(batch, None);
                trainer.recording_failed = Some(reason);
                (trainer, losses)
            }
        };
        (trainer.finish_step(), losses)
    }

    /// A copy of networks and optimizers in the host's memory.
    fn to_host(&self) -> Result<(HostCopy, Option<HostCopy>), String> {
        let discriminator = self.discriminator.as_ref().map(OptimizedModel::to_host).transpose()?;
        Ok((self.generator.to_host()?, discriminator))
    }

    /// With everything from such a copy.
    ///
    /// # Panics
    /// When the device does not take it back.
    fn restored(mut self, (generator, discriminator): (HostCopy, Option<HostCopy>)) -> Self {
        self.generator.restore(generator).expect("the device takes its own weights back");
        if let (Some(model), Some(copy)) = (&mut self.discriminator, discriminator) {
            model.restore(copy).expect("the device takes its own weights back");
        }
        self
    }

    /// A step from inputs that stay where they are, which leaves the networks where they are.
    fn compute_in_place(self, inputs: &Inputs) -> (Self, Losses) {
        in_place(|| self.compute(&inputs.batch(), Some(&inputs.rates)))
    }

    fn count_replayed(mut self) -> Self {
        self.generator.count_replayed();
        if let Some(discriminator) = &mut self.discriminator {
            discriminator.count_replayed();
        }
        self
    }

    /// What the optimizers of generator and discriminator have to know of the next step.
    fn rates(&self) -> [[f32; 2]; 2] {
        let lr_scale = self.lr_scale();
        let discriminator = self.discriminator.as_ref();
        [
            self.generator.rates(lr_scale),
            discriminator.map_or([0.0; 2], |discriminator| discriminator.rates(lr_scale)),
        ]
    }
}
