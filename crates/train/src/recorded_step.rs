//! A training step that is recorded on a graphics card and replayed.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use context_encoder_data::InpaintingBatch;
use context_encoder_loss::{DiscriminatorLoss, GeneratorLoss};
use context_encoder_ops::{ReadyToRecord, Recording, WARM_UP, copy, overwrite};

use crate::Losses;

/// Steps computed as usual: they choose kernels, and Adam's first one makes its moments.
const USUAL: u32 = 2;

/// How far recording is.
pub(crate) enum Recorder {
    /// So many steps computed as usual.
    Usual(u32),
    /// So many steps computed from these inputs.
    WarmingUp(u32, Box<Inputs>, ReadyToRecord),
    /// Replayed from now on.
    Replaying(Box<RecordedStep>),
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::Usual(0)
    }

    /// Whether the device is to be made ready before the next step.
    pub(crate) fn is_next_to_prepare(&self) -> bool {
        matches!(self, Self::Usual(USUAL..))
    }

    /// Whether the next step is the one to be recorded.
    pub(crate) fn is_next_to_record(&self) -> bool {
        matches!(self, Self::WarmingUp(WARM_UP.., ..))
    }

    /// Whether a batch has the size of those before, and comes in the same thread.
    pub(crate) fn fits(&self, batch: &InpaintingBatch) -> bool {
        let (inputs, is_here) = match self {
            Self::Usual(_) => return true,
            Self::WarmingUp(_, inputs, ready) => (&**inputs, ready.is_here()),
            Self::Replaying(recorded) => (&recorded.inputs, recorded.recording.is_here()),
        };
        is_here && inputs.images.dims() == batch.images.dims() && inputs.masks.dims() == batch.masks.dims()
    }
}

/// What differs from step to step, in memory that stays in its place.
pub(crate) struct Inputs {
    images: Tensor<4>,
    masks: Tensor<4>,
    /// Of the generator's and the discriminator's optimizer.
    pub(crate) rates: [Tensor<1>; 2],
}

impl Inputs {
    pub(crate) fn new(batch: &InpaintingBatch, rates: [[f32; 2]; 2]) -> Self {
        let device = batch.images.device().without_autodiff();
        // Copies: the batch is the caller's.
        let own = |tensor: &Tensor<4>| copy(tensor.clone().inner());
        Self {
            images: own(&batch.images),
            masks: own(&batch.masks),
            rates: rates.map(|rates| Tensor::from_floats(rates, &device)),
        }
    }

    /// Those of the next step.
    pub(crate) fn refill(self, batch: &InpaintingBatch, rates: [[f32; 2]; 2]) -> Self {
        let device = self.images.device();
        let [generator, discriminator] = self.rates;
        let [generators, discriminators] = rates.map(|rates| Tensor::from_floats(rates, &device));
        Self {
            images: overwrite(self.images, batch.images.clone().inner()),
            masks: overwrite(self.masks, batch.masks.clone().inner()),
            rates: [overwrite(generator, generators), overwrite(discriminator, discriminators)],
        }
    }

    /// As a batch.
    pub(crate) fn batch(&self) -> InpaintingBatch {
        InpaintingBatch {
            images: Tensor::from_inner(self.images.clone()),
            masks: Tensor::from_inner(self.masks.clone()),
            names: Vec::new(),
        }
    }
}

/// A step recorded with its inputs and losses.
pub(crate) struct RecordedStep {
    pub(crate) recording: Recording,
    pub(crate) inputs: Inputs,
    /// Written anew by each replay.
    pub(crate) losses: Losses,
}

impl RecordedStep {
    /// Computes the step on another batch. The losses are copies that the next one leaves alone.
    pub(crate) fn replay(self, batch: &InpaintingBatch, rates: [[f32; 2]; 2]) -> (Self, Losses) {
        let step = Self { inputs: self.inputs.refill(batch, rates), ..self };
        let losses = step.compute();
        (step, losses)
    }

    /// Computes the step on the inputs as they are.
    pub(crate) fn compute(&self) -> Losses {
        self.recording.replay();
        copied(&self.losses)
    }
}

fn copied(losses: &Losses) -> Losses {
    let copy = |loss: &Tensor<1>| loss.clone().mul_scalar(1.0);
    let GeneratorLoss { reconstruction, adversarial, total } = &losses.generator;
    let generator = GeneratorLoss {
        reconstruction: reconstruction.as_ref().map(copy),
        adversarial: adversarial.as_ref().map(copy),
        total: copy(total),
    };
    let discriminator = losses.discriminator.as_ref().map(|DiscriminatorLoss { real, fake, total }| {
        DiscriminatorLoss { real: copy(real), fake: copy(fake), total: copy(total) }
    });
    Losses { generator, discriminator }
}

/// A network in training with all of its tensors in memory of their own.
pub(crate) fn in_own_memory<M: Module>(network: &M) -> M {
    struct Copy;

    impl ModuleMapper for Copy {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(copy)
        }
    }

    // Without autodiff on the way: weights are the leaves of a graph.
    network.valid().map(&mut Copy).train()
}
