//! A run that stops and resumes is the run that never stopped.

use std::{fs, path::Path};

use context_encoder::{
    Device,
    loss::Objective,
    train::{Run, TrainConfig},
};
use tempfile::tempdir;

fn config(steps: u64, objective: Objective) -> TrainConfig {
    let mut config = TrainConfig {
        steps,
        batch_size: 4,
        workers: 0,
        log_every: 2,
        sheet_every: 0,
        validate_every: 0,
        checkpoint_every: 0,
        validation_pictures: 2,
        objective,
        ..TrainConfig::default()
    };
    config.model = config.model.with_size(64).with_width(4);
    // an epoch of two steps, so that the stop falls in the middle of one
    config.with_override("data.pictures=8").expect("a key")
}

fn tensors(weights: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(weights).expect("weights");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut all: Vec<_> = file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
    all.sort();
    all
}

#[test]
fn weights_are_byte_for_byte_those_of_an_uninterrupted_run() {
    for objective in [Objective::joint(), Objective::Reconstruction] {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        let straight =
            Run::start(config(5, objective), &whole, &device).expect("run").train(&mut ()).expect("trained");

        Run::start(config(3, objective), &parts, &device).expect("run").train(&mut ()).expect("trained");
        let resumed = Run::resume(&parts, &device).expect("checkpoint").with_steps(5);
        assert_eq!(resumed.step(), 3);
        let resumed = resumed.train(&mut ()).expect("trained");

        let (expected, found) = (tensors(&straight.weights), tensors(&resumed.weights));
        assert!(expected.len() > 20);
        assert_eq!(expected, found);
        assert_eq!(straight.validation, resumed.validation);
        for log in ["log.csv", "config.toml"] {
            let read = |folder: &Path| fs::read_to_string(folder.join(log)).expect("log");
            assert_eq!(read(&whole), read(&parts), "{log}");
        }
    }
}

#[test]
fn weights_do_not_depend_on_the_number_of_workers() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let trained = |workers: usize| {
        let config = TrainConfig { workers, ..config(3, Objective::joint()) };
        let run = folder.path().join(format!("workers-{workers}"));
        tensors(&Run::start(config, run, &device).expect("run").train(&mut ()).expect("trained").weights)
    };
    let expected = trained(0);
    for workers in [1, 2, 8] {
        assert_eq!(trained(workers), expected, "{workers} workers");
    }
}

#[test]
fn seeds_tell_runs_apart() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let trained = |seed: u64| {
        let config = TrainConfig { seed, ..config(1, Objective::joint()) };
        let run = folder.path().join(seed.to_string());
        tensors(&Run::start(config, run, &device).expect("run").train(&mut ()).expect("trained").weights)
    };
    assert_ne!(trained(1), trained(2));
}
