//! A training step as a graphics device has recorded it, with its inputs and losses.

use burn::tensor::Tensor;
use context_encoder_data::InpaintingBatch;
use context_encoder_loss::{DiscriminatorLoss, GeneratorLoss};
use context_encoder_ops::{Recording, copy, overwrite};

use crate::Losses;

/// What differs from step to step.
pub(crate) struct StepInputs<'a> {
    pub(crate) batch: &'a InpaintingBatch,
    /// What is drawn at random, if the step takes something.
    pub(crate) drawn: Option<Tensor<4>>,
    /// What each optimizer has to know of its learning rate.
    pub(crate) rates: Vec<[f32; 2]>,
}

/// The same in memory that stays in its place.
pub(crate) struct RecordedInputs {
    images: Tensor<4>,
    masks: Tensor<4>,
    drawn: Option<Tensor<4>>,
    rates: Vec<Tensor<1>>,
}

impl RecordedInputs {
    pub(crate) fn new(inputs: &StepInputs<'_>) -> Self {
        let device = inputs.batch.images.device().without_autodiff();
        // Copies: the batch is the caller's.
        let own = |tensor: &Tensor<4>| copy(tensor.clone().inner());
        Self {
            images: own(&inputs.batch.images),
            masks: own(&inputs.batch.masks),
            drawn: inputs.drawn.as_ref().map(own),
            rates: inputs.rates.iter().map(|&rates| Tensor::from_floats(rates, &device)).collect(),
        }
    }

    /// Those of the next step.
    pub(crate) fn refill(self, inputs: StepInputs<'_>) -> Self {
        let device = self.images.device();
        let StepInputs { batch, drawn, rates } = inputs;
        let rates = self.rates.into_iter().zip(rates);
        Self {
            images: overwrite(self.images, batch.images.clone().inner()),
            masks: overwrite(self.masks, batch.masks.clone().inner()),
            drawn: self.drawn.zip(drawn).map(|(old, new)| overwrite(old, new.inner())),
            rates: rates.map(|(old, new)| overwrite(old, Tensor::from_floats(new, &device))).collect(),
        }
    }

    /// Whether a batch is as large as the one that they hold.
    pub(crate) fn fit(&self, batch: &InpaintingBatch) -> bool {
        self.images.dims() == batch.images.dims() && self.masks.dims() == batch.masks.dims()
    }

    pub(crate) fn batch(&self) -> InpaintingBatch {
        InpaintingBatch {
            images: Tensor::from_inner(self.images.clone()),
            masks: Tensor::from_inner(self.masks.clone()),
            names: Vec::new(),
        }
    }

    pub(crate) fn drawn(&self) -> Option<Tensor<4>> {
        self.drawn.clone().map(Tensor::from_inner)
    }

    pub(crate) fn rates(&self) -> &[Tensor<1>] {
        &self.rates
    }
}

/// A step recorded with its inputs and losses.
pub(crate) struct RecordedStep {
    recording: Recording,
    inputs: RecordedInputs,
    /// Written anew by each replay.
    losses: Losses,
}

impl RecordedStep {
    pub(crate) fn new(recording: Recording, inputs: RecordedInputs, losses: Losses) -> Self {
        Self { recording, inputs, losses }
    }

    /// Whether a batch is as large as those before, and comes in the same thread.
    pub(crate) fn fits(&self, batch: &InpaintingBatch) -> bool {
        self.recording.is_here() && self.inputs.fit(batch)
    }

    /// Computes the step on other inputs. The losses are copies that the next one leaves alone.
    pub(crate) fn replay(self, inputs: StepInputs<'_>) -> (Self, Losses) {
        let step = Self { inputs: self.inputs.refill(inputs), ..self };
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
