//! One loop for every head: batches, steps, curve.

mod batch_source;
mod curve;
mod dropout;
mod weights;

use burn::{
    module::Module,
    optim::{GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig},
    tensor::{Device, Tensor},
};
use context_encoder_model::FeatureEncoder;
use context_encoder_train::{Adam, Schedule};

use crate::TransferError;
pub use batch_source::{BatchSource, Item};
pub use curve::{Curve, CurvePoint};
pub use dropout::Dropout;
pub use weights::{load_head, save_head};

/// Burn scales a gradient by `1 - dampening` before it enters the velocity; none is the usual momentum.
const DAMPENING: f64 = 0.0;

/// A network with an encoder in it, and what it learns from.
pub trait Head: Module {
    /// What one step sees.
    type Batch;

    /// The number that a step makes smaller, `[1]`; `dropout` is the step's dropout.
    fn loss(&self, batch: &Self::Batch, dropout: &mut Dropout) -> Tensor<1>;

    /// The encoder.
    fn encoder(&self) -> &FeatureEncoder;

    /// The same head on another encoder of the same kind.
    #[must_use]
    fn with_encoder(self, encoder: FeatureEncoder) -> Self;
}

/// How steps go downhill.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Optimizer {
    /// Adam, beta 0.5 and 0.999, as everywhere in this library.
    #[default]
    Adam,
    /// Stochastic gradient descent with this momentum (0.9 in Fast R-CNN and FCN).
    Momentum(f64),
}

/// How a head learns.
///
/// | field | meaning | default | range |
/// |---|---|---|---|
/// | `steps` | steps in all | 1000 | 1.. |
/// | `batch_size` | pictures a step | 32 | 1.. |
/// | `lr` | learning rate of the head | 5e-4 | above 0 |
/// | `encoder_lr_scale` | what the encoder's rate is multiplied by; 0 freezes it | 1 | 0.. |
/// | `optimizer` | Adam or momentum | Adam | |
/// | `schedule` | how rates change | cosine | |
/// | `seed` | order, crops, dropout and first weights | 0 | |
/// | `every` | steps between two points of the curve | 50 | 1.. |
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Steps in all.
    pub steps: u64,
    /// Pictures a step.
    pub batch_size: usize,
    /// Learning rate of the head.
    pub lr: f64,
    /// What the encoder's rate is multiplied by; 0 freezes it.
    pub encoder_lr_scale: f64,
    /// How steps go downhill.
    pub optimizer: Optimizer,
    /// How rates change.
    pub schedule: Schedule,
    /// What order, crops, dropout and first weights are drawn from.
    pub seed: u64,
    /// Steps between two points of the curve.
    pub every: u64,
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch_size: 32,
            lr: 5e-4,
            encoder_lr_scale: 1.0,
            optimizer: Optimizer::Adam,
            schedule: Schedule::Cosine,
            seed: 0,
            every: 50,
        }
    }
}

/// What a head has become.
pub struct Fitted<H> {
    /// The head, for use: it records no gradients.
    pub head: H,
    /// How it learned.
    pub curve: Curve,
}

impl Fit {
    /// Checks every field.
    ///
    /// # Errors
    /// [`TransferError::Settings`] names the field.
    pub fn validate(&self) -> Result<(), TransferError> {
        let positive = self.lr > 0.0 && self.lr.is_finite();
        let (wrong, choose) = match self {
            Self { steps: 0, .. } => ("steps", "1 or more"),
            Self { batch_size: 0, .. } => ("batch_size", "1 or more"),
            Self { every: 0, .. } => ("every", "1 or more"),
            _ if !positive => ("lr", "a number above 0, such as 5e-4"),
            Self { encoder_lr_scale, .. } if !(0.0..f64::INFINITY).contains(encoder_lr_scale) => {
                ("encoder_lr_scale", "0 to freeze the encoder, 1 to train it like the rest")
            }
            _ => return Ok(()),
        };
        Err(TransferError::Settings(format!("`{wrong}`: choose {choose}")))
    }

    /// Teaches a head. `device` computes gradients (it is turned to autodiff), and `head` was built on such a
    /// device. `evaluate` scores the head as it is used, at the last step and at every `scored` points of
    /// the curve (0: at the last alone); `watch` sees each point. The same arguments give the same
    /// head.
    ///
    /// # Errors
    /// [`TransferError::Settings`], [`TransferError::NotFinite`], and those of the source and of `evaluate`.
    pub fn run<H: Head>(
        &self,
        head: H,
        source: &dyn BatchSource<H::Batch>,
        device: &Device,
        scored: u64,
        mut evaluate: impl FnMut(&H) -> Result<f64, TransferError>,
        watch: &mut dyn FnMut(&CurvePoint),
    ) -> Result<Fitted<H>, TransferError> {
        self.validate()?;
        let device = device.clone().without_autodiff().autodiff();
        let frozen = self.encoder_lr_scale == 0.0;
        let mut head = head;
        if frozen {
            let encoder = head.encoder().clone().no_grad();
            head = head.with_encoder(encoder);
        }
        let mut optimizer = self.optimizer();
        let (mut curve, mut losses) = (Curve::default(), Vec::new());
        for step in 0..self.steps {
            let items = batch_source::items(self.seed, step, self.batch_size, source.len());
            let batch = source.batch(self.seed, &items, &device)?;
            let loss = head.loss(&batch, &mut Dropout::for_step(self.seed, step));
            losses.push(loss.clone().detach());
            head = self.descend(&mut optimizer, head, &loss, step);
            let done = step + 1;
            if done % self.every == 0 || done == self.steps {
                let loss = mean(std::mem::take(&mut losses), done)?;
                let number = done / self.every;
                let due = done == self.steps || (scored > 0 && number.is_multiple_of(scored));
                let score = if due { Some(evaluate(&head.valid())?) } else { None };
                let point = CurvePoint { step: done, loss, score };
                watch(&point);
                curve.points.push(point);
            }
        }
        Ok(Fitted { head: head.valid(), curve })
    }

    fn optimizer(&self) -> ModuleOptimizer {
        match self.optimizer {
            Optimizer::Adam => Adam.into(),
            Optimizer::Momentum(momentum) => {
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(DAMPENING);
                SgdConfig::new().with_momentum(Some(momentum)).init()
            }
        }
    }

    /// One step; the encoder's parameters at a rate of their own.
    fn descend<H: Head>(&self, optimizer: &mut ModuleOptimizer, head: H, loss: &Tensor<1>, step: u64) -> H {
        let rate = self.lr * self.schedule.factor(step, self.steps);
        let mut gradients = loss.backward();
        let encoders = GradientsParams::from_module(&mut gradients, head.encoder());
        let others = GradientsParams::from_module(&mut gradients, &head);
        let head = optimizer.step(rate, head, others);
        if encoders.is_empty() {
            return head;
        }
        optimizer.step(rate * self.encoder_lr_scale, head, encoders)
    }
}

/// The mean of losses, read from the device together.
fn mean(losses: Vec<Tensor<1>>, step: u64) -> Result<f64, TransferError> {
    let count = losses.len() as f64;
    let mean = Tensor::cat(losses, 0).into_data().iter::<f64>().sum::<f64>() / count;
    if mean.is_finite() { Ok(mean) } else { Err(TransferError::NotFinite { step }) }
}
