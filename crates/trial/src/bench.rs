//! Pictures a second, on pictures that are already on the device.

use std::time::Instant;

use burn::{
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Tensor, TensorData},
};
use context_encoder_data::InpaintingBatch;
use context_encoder_mask::MaskKind;
use context_encoder_model::{FeatureModel, FeatureModelConfig, Precision, Predictor, Preset, Storage};
use context_encoder_ops::autocast;
use context_encoder_train::{Learner, TrainConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::TrialError;

/// What is measured.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `preset` | whose network and masks | recommended |
/// | `task` | training or filling | train |
/// | `batch` | pictures at a time | 64 |
/// | `size` | side of the square pictures: 64, 128 or 256; feature networks take 227 only | 128 |
/// | `precision` | in how many bits layers multiply in training | 32 |
/// | `storage` | how a dense bottleneck's weights are kept while filling | 32 bits |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose network and masks.
    pub preset: Preset,
    /// What it does.
    pub task: Task,
    /// Pictures at a time.
    pub batch: usize,
    /// Side of the square pictures.
    pub size: usize,
    /// In how many bits layers multiply in training.
    pub precision: Precision,
    /// How a dense bottleneck's weights are kept while filling.
    pub storage: Storage,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preset: Preset::Recommended,
            task: Task::Train,
            batch: 64,
            size: 128,
            precision: Precision::F32,
            storage: Storage::F32,
        }
    }
}

/// What a network does while it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Whole steps: discriminator, then generator, both with Adam.
    Train,
    /// Forward passes in evaluation.
    Infer,
    /// Whole steps of the AlexNet-style network on pictures of 227 pixels: masked L2, Adam.
    FeatureTrain,
    /// Forward passes of the AlexNet-style network.
    FeatureInfer,
}

impl Task {
    /// Whether weights change.
    pub fn learns(self) -> bool {
        matches!(self, Self::Train | Self::FeatureTrain)
    }

    /// Side of the pictures: AlexNet takes one only.
    pub fn side(self, asked: usize) -> usize {
        match self {
            Self::Train | Self::Infer => asked,
            Self::FeatureTrain | Self::FeatureInfer => FEATURE_SIDE,
        }
    }
}

/// Side of the feature network's pictures.
const FEATURE_SIDE: usize = 227;

/// Learning rate of the feature network (paper, section 5.2).
const FEATURE_RATE: f64 = 1e-3;

/// Untimed: the first steps allocate, and compile and choose kernels where there are some to compile.
const WARM_UP_STEPS: usize = 3;

/// A network at work on random pictures, warmed up.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_trial::{Bench, Settings, Task};
///
/// let settings = Settings { task: Task::Infer, batch: 1, size: 64, ..Settings::default() };
/// let measured = Bench::warm(settings, &Device::flex())?.measure(0.0);
/// assert!(measured.pictures == 1 && measured.pictures_per_second() > 0.0);
/// # Ok::<(), context_encoder_trial::TrialError>(())
/// ```
pub struct Bench {
    batch: InpaintingBatch,
    pictures: usize,
    work: Work,
    precision: Precision,
    device: Device,
}

enum Work {
    /// The learner, there except while it makes a step.
    Train(Box<Option<Learner>>),
    Infer(Box<Predictor>),
    FeatureTrain(Box<Option<(FeatureModel, ModuleOptimizer)>>),
    FeatureInfer(Box<FeatureModel>),
}

/// What one measurement gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Pictures that went through.
    pub pictures: usize,
    /// How long they took, the device's last work included.
    pub seconds: f64,
    /// The generator's loss in the last step, where something was learned.
    pub loss: Option<f32>,
}

impl Measured {
    /// Their ratio.
    pub fn pictures_per_second(&self) -> f64 {
        self.pictures as f64 / self.seconds
    }
}

impl Bench {
    /// Builds the network on a device and lets it work untimed for a few batches.
    ///
    /// # Errors
    /// [`TrialError::Model`] when there is no such network, such as of another size.
    pub fn warm(settings: Settings, device: &Device) -> Result<Self, TrialError> {
        let Settings { preset, task, batch: pictures, size, precision, storage } = settings;
        let mut config = TrainConfig { precision, ..TrainConfig::preset(preset) };
        config.model.size = size;
        let plain = device.clone().without_autodiff();
        let device = if task.learns() { plain.autodiff() } else { plain };
        let features = || FeatureModelConfig::alexnet().init(&device);
        let work = match task {
            Task::Train => Work::Train(Box::new(Some(Learner::new(&config, &device)?))),
            Task::Infer => Work::Infer(Box::new(config.model.init(&device)?.prepare_with(storage))),
            Task::FeatureTrain => {
                let optimiser = AdamConfig::new().with_beta_1(0.5).init();
                Work::FeatureTrain(Box::new(Some((features()?, optimiser))))
            }
            Task::FeatureInfer => Work::FeatureInfer(Box::new(features()?)),
        };
        config.model.size = task.side(size);
        let batch = random_batch(&config, pictures, &device);
        let mut bench = Self { batch, pictures, work, precision, device };
        for _ in 0..WARM_UP_STEPS {
            bench.measure(0.0);
        }
        Ok(bench)
    }

    /// Works for at least so many seconds, at least once, and waits for the device inside the timed part.
    ///
    /// # Panics
    /// When the device fails.
    pub fn measure(&mut self, seconds: f64) -> Measured {
        let start = Instant::now();
        let mut pictures = 0;
        let mut last = None;
        while pictures == 0 || start.elapsed().as_secs_f64() < seconds {
            last = self.once();
            pictures += self.pictures;
        }
        let loss = last.map(Tensor::into_scalar::<f32>);
        self.device.sync().expect("the device works");
        Measured { pictures, seconds: start.elapsed().as_secs_f64(), loss }
    }

    /// One step or one forward pass; a step's loss, still on the device.
    fn once(&mut self) -> Option<Tensor<1>> {
        let InpaintingBatch { images, masks, .. } = &self.batch;
        match &mut self.work {
            Work::Train(learner) => {
                let (next, terms) = learner.take()?.step(&self.batch);
                **learner = Some(next);
                Some(terms.generator.total)
            }
            Work::Infer(model) => {
                model.forward(images.clone(), masks.clone());
                None
            }
            Work::FeatureTrain(state) => {
                let (network, mut optimiser) = state.take()?;
                let forward = || network.forward(images.clone(), masks.clone());
                let apart = autocast(self.precision.dtype(), forward) - images.clone();
                let loss = (apart.square() * masks.clone()).sum() / masks.clone().sum().mul_scalar(3.0);
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                let network = optimiser.step(FEATURE_RATE, network, gradients);
                **state = Some((network, optimiser));
                Some(loss.detach())
            }
            Work::FeatureInfer(model) => {
                model.forward(images.clone(), masks.clone());
                None
            }
        }
    }
}

/// Random but fixed pictures in `[-1, 1]` and the preset's central masks (1 = hidden).
fn random_batch(config: &TrainConfig, pictures: usize, device: &Device) -> InpaintingBatch {
    let side = config.model.size;
    let overlap = match config.masks {
        MaskKind::Central { overlap } => overlap as usize,
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
