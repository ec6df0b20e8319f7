//! Training steps and forward passes on pictures that are already on the device.

use std::{convert::Infallible, time::Instant};

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_data::InpaintingBatch;
use context_encoder_mask::MaskKind;
use context_encoder_model::{FeatureModel, Precision, Predictor, Preset};
use context_encoder_ops::Storage;
use context_encoder_train::{
    DataWait, FeatureTrainer, Hooks, InpaintingTrainer, Losses, PretrainConfig, TrainConfig, TrainError,
    TrainStep, training_loop,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::measurement::{Measurement, held_bytes};

/// What is measured.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `preset` | whose network and masks | recommended |
/// | `task` | training or inference | train |
/// | `batch` | pictures in a batch | 64 |
/// | `size` | side of the square pictures: 64, 128 or 256; feature networks take 227 only | 128 |
/// | `precision` | compute precision of training | f32 |
/// | `storage` | storage of a dense bottleneck's weights in inference | f32 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchSettings {
    /// Whose network and masks.
    pub preset: Preset,
    /// Training or inference.
    pub task: BenchTask,
    /// Pictures in a batch.
    pub batch: usize,
    /// Side of the square pictures.
    pub size: usize,
    /// Compute precision of training.
    pub precision: Precision,
    /// Storage of a dense bottleneck's weights in inference.
    pub storage: Storage,
}

impl Default for BenchSettings {
    fn default() -> Self {
        Self {
            preset: Preset::Recommended,
            task: BenchTask::Train,
            batch: 64,
            size: 128,
            precision: Precision::F32,
            storage: Storage::F32,
        }
    }
}

/// What a network does while it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchTask {
    /// Training steps: discriminator, then generator, both with Adam.
    Train,
    /// Forward passes in evaluation mode.
    Infer,
    /// Pretraining steps of the AlexNet-style network on pictures of 227 pixels, as `pretrain` makes them.
    FeatureTrain,
    /// Forward passes of the AlexNet-style network.
    FeatureInfer,
}

impl BenchTask {
    /// Whether weights change.
    pub fn learns(self) -> bool {
        matches!(self, Self::Train | Self::FeatureTrain)
    }
}

/// Untimed: the first steps allocate, and compile and choose kernels where there are some to compile.
const WARM_UP_STEPS: usize = 3;

/// A network at work on random pictures, warmed up.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_bench::{Bench, BenchSettings, BenchTask};
///
/// let settings = BenchSettings { task: BenchTask::Infer, batch: 1, size: 64, ..BenchSettings::default() };
/// let measured = Bench::warm(settings, &Device::flex())?.measure(0.0);
/// assert!(measured.pictures == 1 && measured.pictures_per_second() > 0.0);
/// # Ok::<(), context_encoder_train::TrainError>(())
/// ```
pub struct Bench {
    batch: InpaintingBatch,
    work: Work,
    device: Device,
    base_bytes: Option<u64>,
}

/// A trainer is there except while it trains.
enum Work {
    Train(Option<Box<InpaintingTrainer>>),
    Infer(Box<Predictor>),
    FeatureTrain(Option<Box<FeatureTrainer>>),
    FeatureInfer(Box<FeatureModel>),
}

impl Bench {
    /// Builds the network on a device and runs a few batches untimed.
    ///
    /// # Errors
    /// [`TrainError::Model`] when there is no such network, such as of another size.
    pub fn warm(settings: BenchSettings, device: &Device) -> Result<Self, TrainError> {
        let base_bytes = held_bytes();
        let BenchSettings { preset, task, batch, size, precision, storage } = settings;
        let mut config = TrainConfig::preset(preset);
        config.run.precision = precision;
        config.model.size = size;
        let mut features = PretrainConfig { masks: config.masks.clone(), ..PretrainConfig::default() };
        features.run.precision = precision;
        let plain = device.clone().without_autodiff();
        let device = if task.learns() { plain.autodiff() } else { plain };
        let (work, side) = match task {
            BenchTask::Train => (
                Work::Train(Some(Box::new(InpaintingTrainer::new(&config, &device)?.recording_steps()))),
                size,
            ),
            BenchTask::Infer => {
                (Work::Infer(Box::new(config.model.init(&device)?.predictor_with(storage))), size)
            }
            BenchTask::FeatureTrain => (
                Work::FeatureTrain(Some(Box::new(
                    FeatureTrainer::new(&features, &device)?.recording_steps(),
                ))),
                features.model.size,
            ),
            BenchTask::FeatureInfer => {
                (Work::FeatureInfer(Box::new(features.model.init(&device)?)), features.model.size)
            }
        };
        let batch = random_batch(&config.masks, batch, side, &device);
        let mut bench = Self { batch, work, device, base_bytes };
        for step in 0.. {
            if step >= WARM_UP_STEPS && !bench.is_about_to_record() {
                break;
            }
            bench.measure(0.0);
        }
        Ok(bench)
    }

    /// Resident memory of this process before the network was built, bytes; none where there is no `/proc`.
    pub fn base_bytes(&self) -> Option<u64> {
        self.base_bytes
    }

    fn is_about_to_record(&self) -> bool {
        match &self.work {
            Work::Train(trainer) => trainer.as_ref().is_some_and(|trainer| trainer.is_about_to_record()),
            Work::FeatureTrain(trainer) => {
                trainer.as_ref().is_some_and(|trainer| trainer.is_about_to_record())
            }
            Work::Infer(_) | Work::FeatureInfer(_) => false,
        }
    }

    /// Why training steps are not replayed, where recording one failed.
    pub fn recording_failed(&self) -> Option<&str> {
        match &self.work {
            Work::Train(trainer) => trainer.as_ref()?.recording_failed(),
            Work::FeatureTrain(trainer) => trainer.as_ref()?.recording_failed(),
            Work::Infer(_) | Work::FeatureInfer(_) => None,
        }
    }

    /// Works for at least so many seconds, at least once, and synchronizes the device inside the timed part.
    /// Training goes through [`training_loop`], as every run's does.
    ///
    /// # Panics
    /// When the device fails.
    pub fn measure(&mut self, seconds: f64) -> Measurement {
        let mut timer = Timer { batch: &self.batch, seconds, start: Instant::now(), batches: 0, loss: None };
        match &mut self.work {
            Work::Train(trainer) => timer.train(trainer),
            Work::FeatureTrain(trainer) => timer.train(trainer),
            Work::Infer(model) => timer.infer(|images, masks| model.forward(images, masks)),
            Work::FeatureInfer(model) => timer.infer(|images, masks| model.forward(images, masks)),
        }
        let Timer { start, batches, loss, .. } = timer;
        self.device.sync().expect("the device works");
        let pictures = batches * self.batch.len() as u64;
        Measurement { loss, ..Measurement::new(pictures, start.elapsed(), &self.device) }
    }
}

/// Hands out one batch again and again until the time is over.
struct Timer<'a> {
    batch: &'a InpaintingBatch,
    seconds: f64,
    start: Instant,
    batches: u64,
    /// The generator's, after the last step.
    loss: Option<f32>,
}

impl Timer<'_> {
    fn next(&mut self) -> Option<InpaintingBatch> {
        if self.batches > 0 && self.start.elapsed().as_secs_f64() >= self.seconds {
            return None;
        }
        self.batches += 1;
        Some(self.batch.clone())
    }

    fn train<T: TrainStep<Batch = InpaintingBatch, Losses = Losses>>(
        &mut self,
        trainer: &mut Option<Box<T>>,
    ) {
        *trainer = trainer.take().map(|trainer| {
            let Ok(trained) = training_loop(*trainer, 0..u64::MAX, self);
            Box::new(trained)
        });
    }

    fn infer(&mut self, forward: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<4>) {
        while let Some(InpaintingBatch { images, masks, .. }) = self.next() {
            forward(images, masks);
        }
    }
}

impl<T: TrainStep<Batch = InpaintingBatch, Losses = Losses>> Hooks<T> for Timer<'_> {
    type Error = Infallible;

    fn batch(&mut self, _step: u64) -> Result<Option<InpaintingBatch>, Infallible> {
        Ok(self.next())
    }

    fn is_due(&self, _steps_done: u64) -> bool {
        false
    }

    fn read(&mut self, _: &T, losses: Vec<(u64, Losses)>, _: &mut DataWait) -> Result<(), Infallible> {
        self.loss = losses.last().map(|(_, losses)| losses.generator.total.clone().into_scalar());
        Ok(())
    }
}

/// Random but fixed pictures in `[-1, 1]` and central masks (1 = hidden).
fn random_batch(masks: &MaskKind, pictures: usize, side: usize, device: &Device) -> InpaintingBatch {
    let overlap = match masks {
        MaskKind::Central { overlap } => *overlap as usize,
        _ => 0,
    };
    let (first, end) = (side / 4 + overlap, 3 * side / 4 - overlap);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let pixels: Vec<f32> = (0..pictures * 3 * side * side).map(|_| rng.random_range(-1.0..1.0)).collect();
    InpaintingBatch {
        images: Tensor::from_data(TensorData::new(pixels, [pictures, 3, side, side]), device),
        masks: Tensor::zeros([pictures, 1, side, side], device)
            .slice_fill([0..pictures, 0..1, first..end, first..end], 1.0),
        names: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The benchmark times the very step of `pretrain`: the same losses, bit for bit.
    #[test]
    fn feature_training_is_pretraining() {
        let settings = BenchSettings { task: BenchTask::FeatureTrain, batch: 1, ..BenchSettings::default() };
        let device = Device::flex();
        let mut bench = Bench::warm(settings, &device).expect("a network");
        let measured = bench.measure(0.0);
        let masks = TrainConfig::preset(settings.preset).masks;
        let config = PretrainConfig { masks, ..PretrainConfig::default() };
        let mut trainer = FeatureTrainer::new(&config, &device).expect("a network");
        let mut loss = None;
        for _ in 0..=WARM_UP_STEPS {
            let (next, losses) = trainer.step(&bench.batch);
            (trainer, loss) = (next, Some(losses.generator.total.into_scalar::<f32>()));
        }
        assert_eq!(measured.loss, loss);
    }
}
