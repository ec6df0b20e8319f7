//! One program, several backends, one answer.
#![cfg(feature = "ndarray")]

use burn::tensor::{Tensor, TensorData};
use context_encoder::{
    Device, ModelConfig,
    data::InpaintingBatch,
    device,
    loss::Objective,
    model::{BottleneckConfig, FeatureModelConfig, Prediction},
    ops::with_reference,
    train::{InpaintingTrainer, Run, TrainConfig},
};

/// Uneven numbers in `[-1, 1]`.
fn pixels(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + 11) % 101) as f32 / 50.5 - 1.0).collect()
}

fn picture(side: usize, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(pixels(2 * 3 * side * side), [2, 3, side, side]), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

/// Both backends add in 32 bits but in another order; answers are of order 1.
fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && apart < tolerance, "{apart} apart");
}

#[test]
fn networks_answer_alike() {
    let small = ModelConfig::default().with_size(64).with_width(4);
    let configs = [
        small.clone(),
        small.clone().with_bottleneck(BottleneckConfig::Dense(10)),
        small.with_prediction(Prediction::Whole),
    ];
    let [flex, ndarray] = ["flex", "ndarray"].map(|name| device(name).expect("compiled in"));
    for config in configs {
        let answer =
            |device: &Device| values(config.init(device).expect("valid").predict(picture(64, device)));
        assert_close(&answer(&flex), &answer(&ndarray), 1e-5);
    }
    let features = FeatureModelConfig::alexnet().with_width(4);
    let answer =
        |device: &Device| values(features.init(device).expect("valid").predict(picture(227, device)));
    assert_close(&answer(&flex), &answer(&ndarray), 1e-4);
}

#[test]
fn steps_of_training_agree() {
    let mut config = TrainConfig::default();
    config.model = config.model.with_size(64).with_width(4);
    let train = |name: &str| {
        let device = device(name).expect("compiled in").autodiff();
        let masks = Tensor::zeros([2, 1, 64, 64], &device).slice_fill([0..2, 0..1, 16..48, 16..48], 1.0);
        let batch = InpaintingBatch { images: picture(64, &device), masks, names: Vec::new() };
        let (trainer, first) = InpaintingTrainer::new(&config, &device).expect("valid").step(&batch);
        let (_, second) = trainer.step(&batch);
        [first, second].map(|terms| terms.generator.total.into_scalar::<f32>())
    };
    let (flex, ndarray) = (train("flex"), train("ndarray"));
    assert!(flex[0] != flex[1]);
    // Adam's first step moves every weight by the same amount in the direction of its gradient's sign, so
    // tiny differences in near-zero gradients grow: a thousandth of the loss after one step
    assert_close(&flex[..1], &ndarray[..1], 1e-5);
    assert_close(&flex[1..], &ndarray[1..], 1e-3);
}

/// The kernels of the processor against plain tensor operations on the same device, through the whole step:
/// wide enough for every algorithm, ten steps long. At a low rate, and without the game of two: Adam's first
/// steps follow the signs of gradients, and a sign near zero is rounding. (Two backends' plain operations are
/// 1e-3 apart after the same ten steps.)
#[test]
fn ten_steps_of_kernels_are_ten_steps_of_plain_operations() {
    let mut config = TrainConfig { objective: Objective::Reconstruction, ..TrainConfig::default() };
    config.generator_lr = 1e-4;
    config.model = config.model.with_size(64).with_width(16);
    let train = || {
        let device = device("flex").expect("compiled in").autodiff();
        let images = picture(64, &device).repeat_dim(0, 4);
        let masks = Tensor::zeros([8, 1, 64, 64], &device).slice_fill([0..8, 0..1, 16..48, 16..48], 1.0);
        let batch = InpaintingBatch { images, masks, names: Vec::new() };
        let mut trainer = InpaintingTrainer::new(&config, &device).expect("valid");
        let mut losses = Vec::new();
        for _ in 0..10 {
            let (next, terms) = trainer.step(&batch);
            trainer = next;
            losses.push(terms.generator.total.into_scalar::<f32>());
        }
        losses
    };
    let (kernels, plain) = (train(), with_reference(train));
    assert!(kernels[9] < 0.9 * kernels[0], "{kernels:?}");
    assert!(kernels != plain, "two forms were computed");
    assert_close(&kernels, &plain, 1e-4);
    assert_eq!(train(), kernels, "equal from run to run");
}

#[test]
fn a_checkpoint_goes_on_on_another_backend() {
    let folder = tempfile::tempdir().expect("folder");
    let mut config = TrainConfig::from_toml(
        "steps = 2\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2\nsamples_every = 0\nlog_every = 1",
    )
    .expect("readable");
    config.model = config.model.with_size(64).with_width(2);
    let run = |name: &str, steps: u64| {
        let device = device(name).expect("compiled in");
        let run = if steps == 2 {
            Run::start(config.clone(), folder.path(), &device)
        } else {
            Run::<TrainConfig>::resume(folder.path(), &device)
        };
        run.expect("a run").with_steps(steps).train(&mut ()).expect("trained")
    };
    let first = run("flex", 2).validation.network.psnr;
    let second = run("ndarray", 4);
    assert_eq!(second.step, 4);
    assert!(second.validation.network.psnr != first, "two more steps change the network");
    // what one backend wrote, the other validates alike: nothing was learned in between
    let again = run("flex", 4).validation.network.psnr;
    assert!((again - second.validation.network.psnr).abs() < 1e-2, "{again}");
}
