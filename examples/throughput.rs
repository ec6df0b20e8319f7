//! How many pictures a second this machine trains on or fills, and the memory that takes; the peer of
//! benches/peers/pytorch.py.
//!
//!     cargo run --release --example throughput
//!     RAYON_NUM_THREADS=1 cargo run --release --example throughput -- --preset authors --task infer --batch 16
//!
//! Data: random, none needed. Time: seconds for each batch size, `--seconds` says how many. Expect: a table of pictures
//! a second, in training about 125 with the default preset at batch 64 on two cores (AVX-512). Environment: RAYON_NUM_THREADS
//! limits the threads. With `--worker` it serves benches/peers/compare.py: it prints one JSON line when it is warm,
//! then runs for as many seconds as each line that it reads says and answers with a JSON line.
#![allow(clippy::print_stdout, reason = "a program that talks")]

use std::{
    fs,
    io::{self, BufRead, Write},
    process::ExitCode,
    time::Instant,
};

use burn::{
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Tensor, TensorData},
};
use clap::{Parser, ValueEnum};
use context_encoder::{
    Predictor,
    data::InpaintingBatch,
    model::{FeatureModel, FeatureModelConfig, Storage},
    prelude::*,
    train::{Learner, TrainError},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

#[derive(Parser)]
#[command(about = "Measure pictures a second, training or filling")]
struct Arguments {
    /// The network of `paper`, `authors` or `recommended`
    #[arg(long, default_value_t)]
    preset: Preset,
    /// What is measured
    #[arg(long, value_enum, default_value_t = Task::Train)]
    task: Task,
    /// Pictures in a batch; without it 1 (filling only), 16 and 64
    #[arg(long)]
    batch: Option<usize>,
    /// Side of the square input, pixels: 64, 128 or 256
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
    /// How long each batch size is measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Fill with the dense bottleneck's weights in 16 bits
    #[arg(long)]
    bf16: bool,
    /// Serve benches/peers/compare.py
    #[arg(long, requires = "batch")]
    worker: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Task {
    /// Whole steps: discriminator, then generator, both with Adam
    Train,
    /// Forward passes in evaluation
    Infer,
    /// Whole steps of the AlexNet-style network on pictures of 227 pixels: masked L2, Adam
    FeatureTrain,
    /// Forward passes of the AlexNet-style network
    FeatureInfer,
}

impl Task {
    fn learns(self) -> bool {
        matches!(self, Self::Train | Self::FeatureTrain)
    }

    /// Side of the pictures: AlexNet takes one only.
    fn side(self, asked: usize) -> usize {
        match self {
            Self::Train | Self::Infer => asked,
            Self::FeatureTrain | Self::FeatureInfer => FEATURE_SIDE,
        }
    }
}

/// Side of the feature network's pictures.
const FEATURE_SIDE: usize = 227;

/// Untimed: the first steps allocate, and compile kernels where there are some to compile.
const WARM_UP_STEPS: usize = 3;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    if arguments.worker {
        return serve(arguments);
    }
    let batches = match (arguments.batch, arguments.task) {
        (Some(batch), _) => vec![batch],
        (None, task) if task.learns() => vec![16, 64],
        (None, _) => vec![1, 16, 64],
    };
    println!(
        "{} preset, {:?}, {} pixels, {}",
        arguments.preset,
        arguments.task,
        arguments.task.side(arguments.size),
        arguments.device
    );
    println!("{:>6} {:>12} {:>18} {:>12}", "batch", "pictures/s", "seconds a batch", "peak MiB");
    for batch in batches {
        let measured = Peer::warm(arguments, batch)?.measure(arguments.seconds);
        let speed = measured.pictures as f64 / measured.seconds;
        let peak = peak_memory()
            .map_or_else(|| "-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1_048_576.0));
        println!("{batch:>6} {speed:>12.2} {:>18.4} {peak:>12}", batch as f64 / speed);
    }
    Ok(())
}

/// Answers each line of the standard input, a number of seconds, with a measurement.
fn serve(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout().lock();
    let base = memory("VmRSS");
    let mut peer = Peer::warm(arguments, arguments.batch.unwrap_or(1))?;
    let versions = json!({ "context-encoder": env!("CARGO_PKG_VERSION") });
    writeln!(
        out,
        "{}",
        json!({ "ready": true, "versions": versions, "device": arguments.device, "base_bytes": base })
    )?;
    for line in io::stdin().lock().lines() {
        let measured = peer.measure(line?.trim().parse()?);
        let answer = json!({
            "images": measured.pictures,
            "seconds": measured.seconds,
            "loss": measured.loss,
            "peak_bytes": peak_memory(),
        });
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// What is measured, ready to run.
struct Peer {
    batch: InpaintingBatch,
    pictures: usize,
    work: Work,
    device: Device,
}

enum Work {
    /// The learner, there except while it makes a step.
    Train(Box<Option<Learner>>),
    Infer(Predictor),
    FeatureTrain(Option<(FeatureModel, ModuleOptimizer)>),
    FeatureInfer(FeatureModel),
}

struct Measured {
    pictures: usize,
    seconds: f64,
    loss: Option<f32>,
}

impl Peer {
    fn warm(arguments: &Arguments, pictures: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let plain = device(&arguments.device)?;
        let mut config = TrainConfig::preset(arguments.preset);
        config.model.size = arguments.size;
        let device = if arguments.task.learns() { plain.autodiff() } else { plain };
        let features = || FeatureModelConfig::alexnet().init(&device).map_err(TrainError::from);
        let work = match arguments.task {
            Task::Train => Work::Train(Box::new(Some(Learner::new(&config, &device)?))),
            Task::Infer => {
                let storage = if arguments.bf16 { Storage::Bf16 } else { Storage::F32 };
                Work::Infer(config.model.init(&device).map_err(TrainError::from)?.prepare_with(storage))
            }
            Task::FeatureTrain => {
                Work::FeatureTrain(Some((features()?, AdamConfig::new().with_beta_1(0.5).init())))
            }
            Task::FeatureInfer => Work::FeatureInfer(features()?),
        };
        config.model.size = arguments.task.side(arguments.size);
        let batch = random_batch(&config, pictures, &device);
        let mut peer = Self { batch, pictures, work, device };
        for _ in 0..WARM_UP_STEPS {
            peer.measure(0.0);
        }
        Ok(peer)
    }

    /// Runs for at least so many seconds, at least once, and waits for the device inside the timed part.
    fn measure(&mut self, seconds: f64) -> Measured {
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
        match &mut self.work {
            Work::Train(learner) => {
                let (next, terms) = learner.take().expect("put back below").step(&self.batch);
                **learner = Some(next);
                Some(terms.generator.total)
            }
            Work::Infer(model) => {
                model.forward(self.batch.images.clone(), self.batch.masks.clone());
                None
            }
            Work::FeatureTrain(state) => {
                let (network, mut optimiser) = state.take().expect("put back below");
                let (images, masks) = (&self.batch.images, &self.batch.masks);
                let apart = network.forward(images.clone(), masks.clone()) - images.clone();
                let loss = (apart.square() * masks.clone()).sum() / masks.clone().sum().mul_scalar(3.0);
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                let network = optimiser.step(FEATURE_RATE, network, gradients);
                *state = Some((network, optimiser));
                Some(loss.detach())
            }
            Work::FeatureInfer(model) => {
                model.forward(self.batch.images.clone(), self.batch.masks.clone());
                None
            }
        }
    }
}

/// Learning rate of the feature network (paper, section 5.2).
const FEATURE_RATE: f64 = 1e-3;

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

/// The most memory that this process ever held, bytes; nothing where there is no /proc.
fn peak_memory() -> Option<u64> {
    memory("VmHWM")
}

fn memory(key: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
