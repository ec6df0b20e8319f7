//! Trains a head on a pretrained encoder: the one loop of the library, SGD or Adam, a curve of losses and
//! scores.

use std::path::Path;

use burn::{
    module::Module,
    optim::{
        GradientsParams, ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig,
    },
    store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore},
    tensor::Tensor,
};
use context_encoder_data::{Purpose, Sampler, rng_for};
use context_encoder_model::{FeatureEncoder, ModelError};
use context_encoder_train::{Adam, DataWait, Dropout, Hooks, Schedule, TrainStep, training_loop};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{TransferError, metric::Metrics};

/// Burn scales a gradient by `1 - dampening` before it enters the velocity; none is the usual momentum.
const DAMPENING: f64 = 0.0;

/// Weight decay of stochastic gradient descent (Fast R-CNN, FCN).
const WEIGHT_DECAY: f32 = 5e-4;

/// The part of the steps in which the learning rate rises to its full value. Inputs of fully connected layers
/// are positive, so that the first steps of Adam, all of full size, shift every unit by a multiple of its
/// deviation: half of the encoder's units no longer passed their ReLU after 16 of them.
const WARM_UP: f64 = 0.05;

/// A network on top of an encoder.
pub trait Head: Module {
    /// One item of its training and test sets.
    type Sample;

    /// The training loss, `[1]`, of samples, each with the random stream of its crop or flip.
    fn loss(&self, samples: Vec<(&Self::Sample, ChaCha8Rng)>, dropout: &mut Dropout) -> Tensor<1>;

    /// The task's metrics on a test set.
    fn evaluate(&self, samples: &[Self::Sample]) -> Metrics;

    /// The same with [data-dependent initialisation](FeatureEncoder::data_dependent_init) of the layers
    /// between encoder and scores: what they compute for some of these samples has mean 0 and standard
    /// deviation 1 before its ReLU. For the encoder itself see
    /// [`data_dependent_init`](crate::data_dependent_init()), which comes first.
    #[must_use]
    fn data_dependent_init(self, samples: &[Self::Sample]) -> Self;

    /// The encoder.
    fn encoder(&self) -> &FeatureEncoder;

    /// The same head on another encoder of the same architecture.
    #[must_use]
    fn with_encoder(self, encoder: FeatureEncoder) -> Self;

    /// Writes a safetensors file with the weights of head and encoder under PyTorch's names.
    ///
    /// # Errors
    /// [`TransferError::Io`] when the file cannot be written.
    fn save(&self, path: &Path) -> Result<(), TransferError> {
        let mut store = SafetensorsStore::from_file(path)
            .overwrite(true)
            .skip_enum_variants(true)
            .with_to_adapter(BurnToPyTorchAdapter);
        let failed = TransferError::io("write", path);
        self.valid().save_into(&mut store).map_err(|error| failed(std::io::Error::other(error.to_string())))
    }

    /// This head with the weights of a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`TransferError::Model`] when the file is absent, no safetensors file, or of another kind of head.
    fn load(mut self, path: &Path) -> Result<Self, TransferError> {
        let mut store = SafetensorsStore::from_file(path)
            .skip_enum_variants(true)
            .with_from_adapter(PyTorchToBurnAdapter);
        let unusable = |reason: String| ModelError::NotWeights { path: path.to_owned(), reason };
        self.load_from(&mut store).map_err(|error| unusable(error.to_string()))?;
        Ok(self)
    }
}

/// The optimizer of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Optimizer {
    /// Adam, beta 0.5 and 0.999, as everywhere in this library.
    #[default]
    Adam,
    /// Stochastic gradient descent with this momentum (0.9 in Fast R-CNN and FCN) and weight decay 5e-4.
    Momentum(f64),
}

/// How a head is trained. Defaults are in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Steps in all (1000).
    pub steps: u64,
    /// Images a step (32).
    pub batch_size: usize,
    /// Learning rate of the head (5e-4), to which it rises in the first twentieth of the steps.
    pub lr: f64,
    /// The encoder's learning rate as a multiple of the head's (1); 0 freezes it.
    pub encoder_lr_scale: f64,
    /// Adam or momentum (Adam).
    pub optimizer: Optimizer,
    /// How learning rates change (cosine).
    pub schedule: Schedule,
    /// Seed of data order, crops and dropout (0).
    pub seed: u64,
    /// Steps between two points of the curve (50).
    pub log_every: u64,
    /// Points of the curve between two evaluations on the test set (0: only after the last step).
    pub evaluate_every: u64,
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
            log_every: 50,
            evaluate_every: 0,
        }
    }
}

/// One point of a training curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Steps done.
    pub step: u64,
    /// Mean loss of the steps since the last point.
    pub loss: f64,
    /// The [score](Metrics::score) on the test set, where it was evaluated.
    pub score: Option<f64>,
}

/// A trained head.
pub struct Fitted<H> {
    /// The head, for inference: it records no gradients.
    pub head: H,
    /// Its metrics on the test set.
    pub metrics: Metrics,
    /// Loss and score in the course of training.
    pub curve: Vec<CurvePoint>,
}

impl<H> Fitted<H> {
    /// Writes the curve as CSV, `step,loss,score`.
    ///
    /// # Errors
    /// [`TransferError::Io`] when it cannot be written.
    pub fn write_curve(&self, path: &Path) -> Result<(), TransferError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = self.curve.iter().try_for_each(|point| writer.serialize(point));
        rows.map_err(std::io::Error::from)
            .and_then(|()| writer.into_inner().map_err(csv::IntoInnerError::into_error))
            .and_then(|bytes| context_encoder_files::atomic_write(path, &bytes))
            .map_err(TransferError::io("write", path))
    }
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
            Self { log_every: 0, .. } => ("log_every", "1 or more"),
            _ if !positive => ("lr", "a number above 0, such as 5e-4"),
            Self { encoder_lr_scale, .. } if !(0.0..f64::INFINITY).contains(encoder_lr_scale) => {
                ("encoder_lr_scale", "0 to freeze the encoder, 1 to train it like the rest")
            }
            _ => return Ok(()),
        };
        Err(TransferError::Settings(format!("`{wrong}`: choose {choose}")))
    }

    /// Trains a head that was built on an autodiff device and evaluates it on a test set; `on_point` is
    /// called with each point of the curve. The same arguments give the same head.
    ///
    /// # Errors
    /// [`TransferError::Settings`] and [`TransferError::NotFinite`].
    ///
    /// # Panics
    /// When the training set is empty.
    pub fn run<H: Head>(
        &self,
        head: H,
        train: &[H::Sample],
        test: &[H::Sample],
        on_point: &mut dyn FnMut(&CurvePoint),
    ) -> Result<Fitted<H>, TransferError> {
        self.validate()?;
        let head = if self.encoder_lr_scale == 0.0 {
            let frozen = head.encoder().clone().no_grad();
            head.with_encoder(frozen)
        } else {
            head
        };
        let trainer = Trainer { fit: self, head, optimizer: self.optimizer(), step: 0 };
        let mut recorder = Recorder { fit: self, train, test, metrics: None, curve: Vec::new(), on_point };
        let head = training_loop(trainer, 0..self.steps, &mut recorder)?.head.valid();
        let Recorder { metrics, curve, .. } = recorder;
        let metrics = metrics.unwrap_or_else(|| head.evaluate(test));
        Ok(Fitted { head, metrics, curve })
    }

    /// The head's learning rate: rises linearly in the first twentieth of the steps, and follows the
    /// schedule.
    fn lr_at(&self, step: u64) -> f64 {
        let warm_up = (WARM_UP * self.steps as f64).max(1.0);
        let risen = ((step + 1) as f64 / warm_up).min(1.0);
        self.lr * risen * self.schedule.factor(step, self.steps)
    }

    fn optimizer(&self) -> ModuleOptimizer {
        match self.optimizer {
            Optimizer::Adam => Adam.into(),
            Optimizer::Momentum(momentum) => {
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(DAMPENING);
                let decay = WeightDecayConfig::new(WEIGHT_DECAY);
                SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(Some(decay)).init()
            }
        }
    }

    /// The samples of a step with their random streams: every epoch shows each sample once, in an order of
    /// its own; batches run on from epoch to epoch.
    fn draw<'a, S>(&self, step: u64, samples: &'a [S]) -> Vec<(&'a S, ChaCha8Rng)> {
        let batch = Sampler::Shuffled.continuous_batch(self.seed, step, self.batch_size, samples.len());
        let rng = |epoch, index| rng_for(self.seed, Purpose::Crop, epoch, index as u64);
        batch.into_iter().map(|(epoch, index)| (&samples[index], rng(epoch, index))).collect()
    }
}

/// A head with its optimizer.
struct Trainer<'a, H> {
    fit: &'a Fit,
    head: H,
    optimizer: ModuleOptimizer,
    step: u64,
}

impl<'a, H: Head> TrainStep for Trainer<'a, H>
where
    H::Sample: 'a,
{
    type Batch = Vec<(&'a H::Sample, ChaCha8Rng)>;
    type Losses = Tensor<1>;

    /// One step; the encoder's parameters have a learning rate of their own.
    fn step(self, batch: Self::Batch) -> (Self, Tensor<1>) {
        let Self { fit, head, mut optimizer, step } = self;
        let loss = head.loss(batch, &mut Dropout::at_step(fit.seed, step));
        let lr = fit.lr_at(step);
        let mut gradients = loss.backward();
        let of_encoder = GradientsParams::from_module(&mut gradients, head.encoder());
        let of_others = GradientsParams::from_module(&mut gradients, &head);
        let head = optimizer.step(lr, head, of_others);
        let head = if of_encoder.is_empty() {
            head
        } else {
            optimizer.step(lr * fit.encoder_lr_scale, head, of_encoder)
        };
        (Self { fit, head, optimizer, step: step + 1 }, loss.detach())
    }
}

/// Draws batches and records the curve.
struct Recorder<'a, 'b, H: Head> {
    fit: &'a Fit,
    train: &'a [H::Sample],
    test: &'a [H::Sample],
    metrics: Option<Metrics>,
    curve: Vec<CurvePoint>,
    on_point: &'b mut dyn FnMut(&CurvePoint),
}

impl<'a, H: Head> Hooks<Trainer<'a, H>> for Recorder<'a, '_, H> {
    type Error = TransferError;

    fn batch(&mut self, step: u64) -> Result<Option<Vec<(&'a H::Sample, ChaCha8Rng)>>, TransferError> {
        Ok(Some(self.fit.draw(step, self.train)))
    }

    fn is_due(&self, steps_done: u64) -> bool {
        steps_done.is_multiple_of(self.fit.log_every)
    }

    fn read(
        &mut self,
        trainer: &Trainer<'a, H>,
        losses: Vec<(u64, Tensor<1>)>,
        _: &mut DataWait,
    ) -> Result<(), TransferError> {
        let Fit { steps, log_every, evaluate_every, .. } = *self.fit;
        let (step, count) = (trainer.step, losses.len() as f64);
        let losses = losses.into_iter().map(|(_, loss)| loss).collect();
        let loss = Tensor::cat(losses, 0).into_data().iter::<f64>().sum::<f64>() / count;
        if !loss.is_finite() {
            return Err(TransferError::NotFinite { step });
        }
        let point = step / log_every;
        let evaluated = step == steps || (evaluate_every > 0 && point.is_multiple_of(evaluate_every));
        let metrics = evaluated.then(|| trainer.head.valid().evaluate(self.test));
        self.metrics = metrics.or(self.metrics);
        let point = CurvePoint { step, loss, score: metrics.map(|metrics| metrics.score()) };
        (self.on_point)(&point);
        self.curve.push(point);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_shuffled_and_each_has_a_stream_of_its_own() {
        let samples: Vec<u64> = (0..7).collect();
        let fit = Fit { seed: 3, batch_size: 7, ..Fit::default() };
        for epoch in 0..3 {
            let mut batch = fit.draw(epoch, &samples);
            assert!(!batch.is_sorted_by_key(|(sample, _)| **sample));
            batch.sort_by_key(|(sample, _)| **sample);
            let expected = samples.iter().map(|sample| (sample, rng_for(3, Purpose::Crop, epoch, *sample)));
            assert_eq!(batch, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn learning_rate_rises_before_it_falls() {
        let fit = Fit { steps: 200, lr: 1.0, schedule: Schedule::Constant, ..Fit::default() };
        assert_eq!([0, 4, 9, 100].map(|step| fit.lr_at(step)), [0.1, 0.5, 1.0, 1.0]);
        let cosine = Fit { schedule: Schedule::Cosine, ..fit.clone() };
        assert!(cosine.lr_at(9) > 0.99 && cosine.lr_at(199) < 0.01);
        assert_eq!(Fit { steps: 1, ..fit }.lr_at(0), 1.0);
    }

    #[test]
    fn curve_is_written_as_csv() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("curve.csv");
        let point = |step, loss, score| CurvePoint { step, loss, score };
        let curve = vec![point(10, 2.5, None), point(20, 1.0, Some(0.75)), point(30, 0.5, None)];
        Fitted { head: (), metrics: Metrics::Accuracy(1.0), curve }.write_curve(&path).expect("written");
        assert_eq!(
            std::fs::read_to_string(&path).expect("file"),
            "step,loss,score\n10,2.5,\n20,1.0,0.75\n30,0.5,\n"
        );
    }
}
