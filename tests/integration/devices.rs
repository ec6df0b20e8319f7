//! Several devices learn what one learns from the same batches.

use std::path::{Path, PathBuf};

use context_encoder::{
    Device, device,
    loss::Objective,
    mask::MaskKind,
    model::Prediction,
    train::{Devices, PretrainConfig, Pretraining, Run, TrainConfig, TrainError},
};
use tempfile::tempdir;

use crate::short_run::short_run;

fn devices(names: &[&str]) -> Devices {
    let devices: Vec<Device> = names.iter().map(|name| device(name).expect("compiled in")).collect();
    Devices::try_from(devices).expect("at least one")
}

/// Batches of 8, and rates at which Adam's first steps, which follow signs, do not make much of rounding.
fn config(steps: u64) -> TrainConfig {
    let config = TrainConfig { generator_rate: 1e-5, discriminator_rate: 1e-6, ..short_run(steps, 4) };
    TrainConfig { batch_size: 8, log_every: 1, ..config }
}

/// The run's numbers: a row for each step, without step, epoch and samples before, and waiting behind.
fn losses(folder: &Path) -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(folder.join("log.csv")).expect("a log");
    let numbers = |row: &str| {
        let cells: Vec<&str> = row.split(',').collect();
        cells[3..cells.len() - 1].iter().filter(|cell| !cell.is_empty()).map(|cell| cell.parse().expect("number")).collect()
    };
    text.lines().skip(1).map(numbers).collect()
}

/// Largest relative difference of two runs' numbers.
fn apart(one: &[Vec<f32>], other: &[Vec<f32>]) -> f32 {
    assert!(!one.is_empty() && one.len() == other.len());
    let pairs = one.iter().flatten().zip(other.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs() / b.abs().max(1e-3)).fold(0.0, f32::max)
}

fn tensors(weights: &Path) -> Vec<(String, Vec<f32>)> {
    let bytes = std::fs::read(weights).expect("weights");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let floats = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect();
    let mut all: Vec<_> =
        file.iter().map(|(name, view)| (name.to_owned(), floats(view.data()))).collect();
    all.sort_by(|(one, _): &(String, Vec<f32>), (other, _)| one.cmp(other));
    all
}

/// Largest difference of any tensor's values, of the tensor's largest value.
fn weights_apart(one: &Path, other: &Path) -> (f32, String) {
    let mut worst = (0.0, String::new());
    for ((name, one), (_, other)) in tensors(one).into_iter().zip(tensors(other)) {
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

fn trained(config: &TrainConfig, folder: PathBuf, names: &[&str]) -> Trained {
    let run = Run::start(config.clone(), &folder, devices(names)).expect("a run");
    let weights = run.train(&mut ()).expect("trained").weights;
    Trained { losses: losses(&folder), weights }
}

#[test]
fn devices_learn_what_one_learns_that_normalises_their_shares() {
    let folder = tempdir().expect("folder");
    let mut whole = TrainConfig { masks: MaskKind::RandomBlock, ..config(5) };
    whole.model.prediction = Prediction::Whole; // masks that hide now more, now less
    for (what, config) in [
        ("joint", config(5)),
        ("reconstruction", TrainConfig { objective: Objective::Reconstruction, averaging: 0.9, ..config(5) }),
        ("blocks", whole),
    ] {
        for count in [2, 4] {
            let at = |name: &str| folder.path().join(format!("{what}-{count}-{name}"));
            let several = trained(&config, at("several"), &vec!["flex"; count]);
            let one = trained(&TrainConfig { shares: count, ..config.clone() }, at("one"), &["flex"]);
            let plain = trained(&config, at("plain"), &["flex"]);
            let differences = [apart(&several.losses, &one.losses), apart(&several.losses, &plain.losses)];
            let weights = [&one, &plain].map(|other| weights_apart(&several.weights, &other.weights));
            println!("{what} {count}: {differences:?} {weights:?}");
        }
    }
}
