//! Training short enough for a test, and what it left behind.

use std::{fs, path::Path};

use context_encoder::{
    Device,
    train::{Devices, Run, RunSettings, Summary, Task, TrainConfig},
};

/// A small network on pictures of 64 pixels; nothing is saved before the end, nothing runs in the
/// background.
pub(crate) fn short_run(steps: u64, width: usize) -> TrainConfig {
    let mut config = TrainConfig::default();
    config.run = RunSettings {
        steps,
        batch_size: 4,
        workers: 0,
        log_every: 2,
        samples_every: 0,
        validate_every: 0,
        checkpoint_every: 0,
        validation_pictures: 2,
        ..config.run
    };
    config.model = config.model.with_size(64).with_width(width);
    config
}

/// A complete run on one device.
pub(crate) fn train<C: Task>(config: C, folder: &Path) -> Summary {
    Run::start(config, folder, &Device::flex()).expect("a run").train(&mut ()).expect("trained")
}

/// A run resumed from its checkpoint at step `from`, up to another step.
pub(crate) fn resume<C: Task>(folder: &Path, devices: impl Into<Devices>, from: u64, steps: u64) -> Summary {
    let run = Run::<C>::resume(folder, devices).expect("a checkpoint").with_steps(steps);
    assert_eq!(run.step(), from);
    run.train(&mut ()).expect("trained")
}

/// The tensors of a file of weights, by name.
pub(crate) fn tensors(weights: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(weights).expect("weights");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut all: Vec<_> = file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
    all.sort();
    all
}

/// The losses of a run, a row for each step: the columns of its log without step, epoch and samples before,
/// and data wait behind.
pub(crate) fn losses(folder: &Path) -> Vec<Vec<f32>> {
    let log = fs::read_to_string(folder.join("log.csv")).expect("a log");
    let losses = |row: &str| {
        let cells: Vec<&str> = row.split(',').collect();
        let filled = cells[3..cells.len() - 1].iter().filter(|cell| !cell.is_empty());
        filled.map(|cell| cell.parse().expect("number")).collect()
    };
    log.lines().skip(1).map(losses).collect()
}
