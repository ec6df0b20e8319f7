//! Several devices train as one does on the same batches.

use std::path::{Path, PathBuf};

use context_encoder::{
    Device, device,
    loss::Objective,
    mask::MaskKind,
    model::Prediction,
    train::{Devices, PretrainConfig, Run, RunSettings, TrainConfig},
};
use tempfile::tempdir;

use crate::short_run::{losses, resume, short_run, tensors};

fn devices(names: &[&str]) -> Devices {
    let devices: Vec<Device> = names.iter().map(|name| device(name).expect("compiled in")).collect();
    Devices::try_from(devices).expect("at least one")
}

/// Batches of 8, and learning rates at which Adam's first steps, which follow signs, do not make much of
/// rounding.
fn config(steps: u64) -> TrainConfig {
    let mut config = TrainConfig { generator_lr: 1e-5, discriminator_lr: 1e-6, ..short_run(steps, 4) };
    (config.run.batch_size, config.run.log_every) = (8, 1);
    config
}

/// Largest relative difference of two runs' numbers.
fn apart(one: &[Vec<f32>], other: &[Vec<f32>]) -> f32 {
    assert!(!one.is_empty() && one.len() == other.len());
    let pairs = one.iter().flatten().zip(other.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs() / b.abs().max(1e-3)).fold(0.0, f32::max)
}

/// Largest difference of any tensor's values, of the tensor's largest value.
fn weights_apart(one: &Path, other: &Path) -> (f32, String) {
    let mut worst = (0.0, String::new());
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
    };
    for ((name, one), (_, other)) in tensors(one).into_iter().zip(tensors(other)) {
        let (one, other) = (floats(&one), floats(&other));
        let largest = other.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        let apart = one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest;
        if apart > worst.0 {
            worst = (apart, name);
        }
    }
    worst
}

struct Trained {
    losses: Vec<Vec<f32>>,
    weights: PathBuf,
}

fn trained(config: &TrainConfig, folder: &Path, names: &[&str]) -> Trained {
    let run = Run::start(config.clone(), folder, devices(names)).expect("a run");
    let weights = run.train(&mut ()).expect("trained").weights;
    Trained { losses: losses(folder), weights }
}

#[test]
fn several_devices_train_as_one_with_ghost_batches() {
    let folder = tempdir().expect("folder");
    let mut blocks = TrainConfig { masks: MaskKind::RandomBlock, ..config(5) };
    blocks.model.prediction = Prediction::Whole; // masks that hide now more, now less
    for (what, config) in [
        ("joint", config(5)),
        ("averaged", TrainConfig { objective: Objective::Reconstruction, ema_decay: 0.9, ..config(5) }),
        ("blocks", blocks),
    ] {
        for count in [2, 4] {
            let at = |name: &str| folder.path().join(format!("{what}-{count}-{name}"));
            let several = trained(&config, &at("several"), &vec!["flex"; count]);
            let one = trained(&TrainConfig { ghost_batches: count, ..config.clone() }, &at("one"), &["flex"]);
            // Sums in another order: 2.5e-7 and 1.5e-5 (a bias of batch norm, where no gradient is large).
            let losses = apart(&several.losses, &one.losses);
            assert!(losses < 1e-5, "{what} on {count}: losses {losses} apart");
            let (weights, name) = weights_apart(&several.weights, &one.weights);
            assert!(weights < 1e-4, "{what} on {count}: {name} {weights} apart");
            // By the statistics of the whole batch it is another network that learns.
            let whole = trained(&config, &at("whole"), &["flex"]);
            let losses = apart(&several.losses, &whole.losses);
            assert!(
                (1e-3..0.5).contains(&losses),
                "{what} on {count}: losses {losses} apart from one batch's"
            );
        }
    }
}

#[test]
fn two_devices_with_two_ghost_batches_each_are_four_with_one_each() {
    let folder = tempdir().expect("folder");
    let config = TrainConfig { ghost_batches: 4, ..config(3) };
    let at = |name: &str| folder.path().join(name);
    let two = trained(&config, &at("two"), &["flex"; 2]);
    let four = trained(&config, &at("four"), &["flex"; 4]);
    let losses = apart(&two.losses, &four.losses);
    assert!(losses < 1e-5, "{losses}");
}

/// The feature network has no batch norm: its result does not depend on the number of devices; its masks hide
/// unequal parts, and its dropout follows the picture.
#[test]
fn pretraining_is_the_same_on_any_number_of_devices() {
    let folder = tempdir().expect("folder");
    let mut config = PretrainConfig { lr: Some(1e-5), ..PretrainConfig::default().smoke() };
    config.run = RunSettings { steps: 3, batch_size: 8, workers: 0, samples_every: 0, ..config.run };
    let features = |name: &str, names: &[&str]| {
        let folder = folder.path().join(name);
        let run = Run::start(config.clone(), &folder, devices(names)).expect("a run");
        let weights = run.train(&mut ()).expect("trained").weights;
        Trained { losses: losses(&folder), weights }
    };
    let one = features("one", &["flex"]);
    for count in [2, 4] {
        let several = features(&count.to_string(), &vec!["flex"; count]);
        let losses = apart(&several.losses, &one.losses);
        assert!(losses < 1e-5, "{count}: losses {losses} apart");
        let (weights, name) = weights_apart(&several.weights, &one.weights);
        assert!(weights < 1e-3, "{count}: {name} {weights} apart");
    }
}

#[test]
fn run_resumes_on_any_number_of_devices() {
    let folder = tempdir().expect("folder");
    // Every number of devices learns the same by this, and the average takes part.
    let config = TrainConfig { ghost_batches: 2, ema_decay: 0.9, ..config(5) };
    let straight = trained(&config, &folder.path().join("straight"), &["flex"; 2]);
    for (first, then) in [(2, 2), (2, 1), (1, 2)] {
        let run = folder.path().join(format!("{first}-{then}"));
        let mut started = config.clone();
        started.run.steps = 3;
        trained(&started, &run, &vec!["flex"; first]);
        let weights = resume::<TrainConfig>(&run, devices(&vec!["flex"; then]), 3, 5).weights;
        if first == then {
            assert_eq!(tensors(&weights), tensors(&straight.weights), "to the last bit");
            assert_eq!(losses(&run), straight.losses);
        }
        let apart = apart(&losses(&run), &straight.losses);
        assert!(apart < 1e-5, "{first} and {then}: losses {apart} apart");
        let (apart, name) = weights_apart(&weights, &straight.weights);
        assert!(apart < 1e-4, "{first} and {then}: {name} {apart} apart");
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn devices_of_different_kinds_train_together() {
    let folder = tempdir().expect("folder");
    let mixed = trained(&config(5), &folder.path().join("mixed"), &["flex", "ndarray"]);
    let alike = trained(&config(5), &folder.path().join("alike"), &["flex", "flex"]);
    let losses = apart(&mixed.losses, &alike.losses);
    assert!(losses < 1e-4, "losses {losses} apart");
}

#[test]
fn batches_that_cannot_be_split_are_refused_before_anything_is_written() {
    let folder = tempdir().expect("folder");
    let refusal = |config: TrainConfig, names: &[&str]| {
        let run = folder.path().join("refused");
        let error = Run::start(config, &run, devices(names)).err().expect("refused").to_string();
        assert!(!run.exists());
        error
    };
    let mut unequal = config(2);
    unequal.run.batch_size = 10;
    let error = refusal(unequal, &["flex"; 4]);
    assert!(error.contains("batch_size is 10") && error.contains("write 8 or 12"), "{error}");
    let error = refusal(TrainConfig { ghost_batches: 4, ..config(2) }, &["flex"; 3]);
    assert!(error.contains("ghost_batches is 4"), "{error}");
    // The same when a run goes on.
    let run = folder.path().join("run");
    trained(&config(1), &run, &["flex"]);
    let error = Run::<TrainConfig>::resume(&run, devices(&["flex"; 3])).err().expect("refused").to_string();
    assert!(error.contains("batch_size is 8") && error.contains("write 6 or 9"), "{error}");
}

#[test]
fn logged_losses_are_those_of_the_whole_batch() {
    let folder = tempdir().expect("folder");
    // Nothing learned, so the first loss alone: mean over all hidden pixels, however the devices share them.
    let mut config =
        TrainConfig { masks: MaskKind::RandomBlock, objective: Objective::Reconstruction, ..config(1) };
    config.model.prediction = Prediction::Whole;
    let config = TrainConfig { ghost_batches: 4, ..config };
    let losses: Vec<f32> = [1, 2, 4]
        .map(|count: usize| {
            trained(&config, &folder.path().join(count.to_string()), &vec!["flex"; count]).losses[0][0]
        })
        .into();
    assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-6 * losses[0]), "{losses:?}");
}
