//! How a trainer comes to record its step on a graphics device, and replays it from then on.

use burn::tensor::Tensor;
use context_encoder_data::InpaintingBatch;
use context_encoder_ops::{ReadyToRecord, Recorded, Recording, WARM_UP, in_place};

use crate::{
    Losses,
    optimized_model::{HostCopy, RecordableModel},
    recorded_step::{RecordedInputs, RecordedStep, StepInputs},
};

/// Steps computed as usual: they choose kernels, and Adam's first one makes its moments.
const USUAL: u32 = 2;

/// A trainer whose step can be recorded.
pub(crate) trait RecordableTrainer: Sized {
    /// Its recorder.
    fn recorder(&mut self) -> &mut Recorder;

    /// Its networks with their optimizers, always in the same order.
    fn models(&mut self) -> Vec<&mut dyn RecordableModel>;

    /// What learning rates are multiplied by in the next step.
    fn lr_scale(&self) -> f64;

    /// What the next step takes of random numbers, for this rank's part of a batch; on the batch's device.
    fn draw(&self, batch: &InpaintingBatch) -> Option<Tensor<4>>;

    /// One step with what was drawn for it. In a recorded one the learning rates of the
    /// [models](Self::models) are in `rates`.
    fn compute(
        self,
        batch: &InpaintingBatch,
        drawn: Option<Tensor<4>>,
        rates: Option<&[Tensor<1>]>,
    ) -> (Self, Losses);
}

/// One step, computed or replayed.
pub(crate) fn step<T: RecordableTrainer>(mut trainer: T, batch: &InpaintingBatch) -> (T, Losses) {
    let drawn = trainer.draw(batch);
    // In `f16` a step reads numbers from the device.
    let reads = trainer.models().iter().any(|model| model.reads_from_device());
    let Some(mut state) = trainer.recorder().state.take().filter(|_| !reads) else {
        return trainer.compute(batch, drawn, None);
    };
    if !state.fits(batch) {
        // What was asked for in another thread comes first.
        let _ = batch.images.device().sync();
        state = State::Usual(0);
    }
    let lr_scale = trainer.lr_scale();
    let rates = trainer.models().iter().map(|model| model.rates(lr_scale)).collect();
    let inputs = StepInputs { batch, drawn, rates };
    if matches!(state, State::Usual(USUAL..)) {
        let Some(ready) = Recording::prepare(&batch.images.device()) else {
            return trainer.compute(batch, inputs.drawn, None);
        };
        trainer.models().into_iter().for_each(RecordableModel::move_to_own_memory);
        state = State::WarmingUp(0, Box::new(RecordedInputs::new(&inputs)), ready);
    }
    let (mut trainer, losses, state) = match state {
        State::Usual(steps) => {
            let (trainer, losses) = trainer.compute(batch, inputs.drawn, None);
            (trainer, losses, Some(State::Usual(steps + 1)))
        }
        State::WarmingUp(steps, recorded, ready) => {
            // Burn's fusion knows nothing of what is written in place, so the step before is over first.
            let _ = batch.images.device().sync();
            let drawn = inputs.drawn.clone();
            let recorded = recorded.refill(inputs);
            if steps < WARM_UP {
                let (trainer, losses) = compute_in_place(trainer, &recorded);
                (trainer, losses, Some(State::WarmingUp(steps + 1, Box::new(recorded), ready)))
            } else {
                record(trainer, ready, recorded, batch, drawn)
            }
        }
        State::Replaying(recorded) => {
            let (recorded, losses) = recorded.replay(inputs);
            trainer.models().into_iter().for_each(RecordableModel::count_replayed);
            (trainer, losses, Some(State::Replaying(Box::new(recorded))))
        }
    };
    trainer.recorder().state = state;
    (trainer, losses)
}

/// A step from inputs that stay where they are, which leaves the networks where they are.
fn compute_in_place<T: RecordableTrainer>(trainer: T, inputs: &RecordedInputs) -> (T, Losses) {
    in_place(|| trainer.compute(&inputs.batch(), inputs.drawn(), Some(inputs.rates())))
}

/// Records a step and takes it.
fn record<T: RecordableTrainer>(
    mut trainer: T,
    ready: ReadyToRecord,
    inputs: RecordedInputs,
    batch: &InpaintingBatch,
    drawn: Option<Tensor<4>>,
) -> (T, Losses, Option<State>) {
    let failed = |mut trainer: T, reason| {
        trainer.recorder().failed = Some(reason);
        let (trainer, losses) = trainer.compute(batch, drawn, None);
        (trainer, losses, None)
    };
    // What fails to be recorded leaves weights behind that cannot be read. The copy is the host's, so
    // that the device has all the memory that the steps before have left.
    let backup: Result<Vec<HostCopy>, String> =
        trainer.models().into_iter().map(|model| model.to_host()).collect();
    let backup = match backup {
        Ok(backup) => backup,
        Err(reason) => return failed(trainer, reason),
    };
    match ready.record(|| compute_in_place(trainer, &inputs)) {
        Recorded::Yes(recording, (trainer, losses)) => {
            let recorded = RecordedStep::new(recording, inputs, losses);
            let losses = recorded.compute();
            (trainer, losses, Some(State::Replaying(Box::new(recorded))))
        }
        Recorded::No((trainer, losses)) => (trainer, losses, None),
        Recorded::Failed(reason, (mut trainer, _)) => {
            for (model, copy) in trainer.models().into_iter().zip(backup) {
                model.restore(copy).expect("the device takes its own weights back");
            }
            failed(trainer, reason)
        }
    }
}

/// How far a trainer is with recording its step, or that it records none.
#[derive(Default)]
pub(crate) struct Recorder {
    state: Option<State>,
    /// Why steps are not replayed, where recording one failed.
    failed: Option<String>,
}

/// How far recording is.
enum State {
    /// So many steps computed as usual.
    Usual(u32),
    /// So many steps computed from these inputs.
    WarmingUp(u32, Box<RecordedInputs>, ReadyToRecord),
    /// Replayed from now on.
    Replaying(Box<RecordedStep>),
}

impl Recorder {
    /// One that records.
    pub(crate) fn on() -> Self {
        Self { state: Some(State::Usual(0)), failed: None }
    }

    /// Begins anew, if it records: the step has changed.
    pub(crate) fn restart(&mut self) {
        self.state = self.state.take().map(|_| State::Usual(0));
    }

    pub(crate) fn is_about_to_record(&self) -> bool {
        matches!(self.state, Some(State::Usual(_) | State::WarmingUp(..)))
    }

    pub(crate) fn is_replaying(&self) -> bool {
        matches!(self.state, Some(State::Replaying(_)))
    }

    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }
}

impl State {
    /// Whether a batch is as large as those before, and comes in the same thread.
    fn fits(&self, batch: &InpaintingBatch) -> bool {
        match self {
            Self::Usual(_) => true,
            Self::WarmingUp(_, inputs, ready) => ready.is_here() && inputs.fit(batch),
            Self::Replaying(recorded) => recorded.fits(batch),
        }
    }
}
