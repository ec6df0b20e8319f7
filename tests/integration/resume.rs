//! A run that stops and resumes is the run that never stopped.

use std::{fs, io::Cursor, path::Path};

use context_encoder::{
    Device,
    data::Facades,
    loss::Objective,
    model::InitialFill,
    train::{Augmentation, DataConfig, Progress, Run, Schedule, StepRecord, Throughput, TrainConfig},
};
use tempfile::tempdir;

use crate::short_run::short_run;

fn config(steps: u64, objective: Objective) -> TrainConfig {
    // an epoch of two steps, so that the stop falls in the middle of one
    let config = TrainConfig { objective, ..short_run(steps, 4) };
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
        let resumed = Run::<TrainConfig>::resume(&parts, &device).expect("checkpoint").with_steps(5);
        assert_eq!(resumed.step(), 3);
        let resumed = resumed.train(&mut ()).expect("trained");

        let (expected, found) = (tensors(&straight.weights), tensors(&resumed.weights));
        assert!(expected.len() > 20);
        assert_eq!(expected, found);
        assert_eq!(straight.validation, resumed.validation);
        let read = |folder: &Path, file| fs::read_to_string(folder.join(file)).expect("file");
        assert_eq!(read(&whole, "config.toml"), read(&parts, "config.toml"));
        // The last column is a measured time.
        let learned = |folder: &Path| {
            let log = read(folder, "log.csv");
            log.lines().map(|row| row.rsplit_once(',').expect("columns").0.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(learned(&whole).len(), 6);
        assert_eq!(learned(&whole), learned(&parts));
    }
}

/// Asks to stop when so many steps are done.
struct StopAfter(u64);

impl Progress for StopAfter {
    fn steps(&mut self, records: &[StepRecord], _: &Throughput) {
        self.0 = self.0.saturating_sub(records.len() as u64);
    }

    fn should_stop(&self) -> bool {
        self.0 == 0
    }
}

#[test]
fn schedule_moving_average_and_augmentation_resume_where_they_stopped() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let mut config = TrainConfig {
        schedule: Schedule::Cosine,
        ema_decay: 0.9,
        ..config(5, Objective::joint())
    };
    config.run.augmentation = Augmentation { smallest: 64, color: 20 };
    config.run.log_every = 1;
    config.model = config.model.with_fill(InitialFill::Smooth);
    let straight = Run::start(config.clone(), &whole, &device).expect("run").train(&mut ()).expect("trained");

    let stopped =
        Run::start(config, &parts, &device).expect("run").train(&mut StopAfter(3)).expect("stopped");
    assert_eq!(stopped.step, 3);
    let halfway = tensors(&stopped.weights);
    let resumed = Run::<TrainConfig>::resume(&parts, &device).expect("checkpoint").train(&mut ()).expect("trained");
    assert_eq!(resumed.step, 5);
    assert_eq!(tensors(&straight.weights), tensors(&resumed.weights));
    assert_ne!(halfway, tensors(&resumed.weights));
}

#[test]
fn weights_do_not_depend_on_the_number_of_workers() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let trained = |workers: usize| {
        let mut config = config(3, Objective::joint());
        config.run.workers = workers;
        let run = folder.path().join(format!("workers-{workers}"));
        tensors(&Run::start(config, run, &device).expect("run").train(&mut ()).expect("trained").weights)
    };
    let expected = trained(0);
    for workers in [1, 2, 8] {
        assert_eq!(trained(workers), expected, "{workers} workers");
    }
}

#[test]
fn weights_do_not_depend_on_the_cache() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("created");
    for index in 0..9 {
        let picture = Facades::new(3).with_size(220, 180).image(index);
        picture.save(data.join(format!("{index}.png"))).expect("written");
    }
    // Three steps of four in epochs of eight; the pictures are shrunk to 85x70 before they are kept.
    let trained = |cache_mib: u64, workers: usize| {
        let data =
            DataConfig::Folder { path: data.clone(), resize: 70, strict: false, cache_mib, exclude: None };
        let run = folder.path().join(format!("cache-{cache_mib}-workers-{workers}"));
        let mut config = config(3, Objective::joint());
        (config.run.data, config.run.workers) = (data, workers);
        tensors(&Run::start(config, run, &device).expect("run").train(&mut ()).expect("trained").weights)
    };
    let expected = trained(0, 0);
    for workers in [0, 2] {
        assert_eq!(trained(1024, workers), expected, "{workers} workers");
    }
}

#[test]
fn a_run_on_shards_resumes() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let shards = folder.path().join("shards");
    fs::create_dir(&shards).expect("created");
    for number in 0..3 {
        let file = fs::File::create(shards.join(format!("{number}.tar"))).expect("a file");
        let mut shard = tar::Builder::new(file);
        for index in 0..4 {
            let picture = Facades::new(number).with_size(110, 90).image(index);
            let mut png = Cursor::new(Vec::new());
            picture.write_to(&mut png, image::ImageFormat::Png).expect("in memory");
            let mut header = tar::Header::new_gnu();
            header.set_size(png.get_ref().len() as u64);
            let name = format!("{index}.png");
            shard.append_data(&mut header, name, png.get_ref().as_slice()).expect("written");
        }
        shard.finish().expect("written");
    }
    let mut whole = config(5, Objective::Reconstruction);
    let data = whole.run.data.clone().in_folder(&shards, Some(70), true).expect("nothing to exclude");
    assert!(matches!(data, DataConfig::Shards { resize: 70, strict: true, .. }));
    // Not searched for pictures to test on, and never silently so.
    let excluding = DataConfig::folder("p").excluding(Some(&shards)).expect("a folder");
    for refused in
        [data.clone().excluding(Some(&shards)), excluding.in_folder(&shards, Some(70), false)]
    {
        let error = refused.expect_err("not searched").to_string();
        assert!(error.contains("(data.exclude); unpack them"), "{error}");
    }
    // Epochs of two steps: of twelve samples the first is kept to validate on.
    (whole.run.data, whole.run.workers) = (data, 2);
    let train = |run: Run| tensors(&run.train(&mut ()).expect("trained").weights);
    let expected = train(Run::start(whole.clone(), folder.path().join("whole"), &device).expect("run"));

    let parts = folder.path().join("parts");
    (whole.run.steps, whole.run.workers) = (3, 0);
    train(Run::start(whole, &parts, &device).expect("run"));
    assert_eq!(train(Run::<TrainConfig>::resume(&parts, &device).expect("checkpoint").with_steps(5)), expected);

    fs::copy(shards.join("0.tar"), shards.join("1.tar")).expect("other pictures");
    let error = Run::<TrainConfig>::resume(&parts, &device).expect("checkpoint").with_steps(6).train(&mut ());
    assert!(error.expect_err("other pictures").to_string().contains("other pictures"));
}

#[test]
fn seeds_tell_runs_apart() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let trained = |seed: u64| {
        let mut config = config(1, Objective::joint());
        config.run.seed = seed;
        let run = folder.path().join(seed.to_string());
        tensors(&Run::start(config, run, &device).expect("run").train(&mut ()).expect("trained").weights)
    };
    assert_ne!(trained(1), trained(2));
}
