//! A run that stops and resumes is the run that never stopped.

use std::{collections::BTreeMap, fs, io::Cursor, path::Path};

use context_encoder::{
    Device,
    data::Facades,
    loss::Objective,
    mask::MaskKind,
    model::{BottleneckConfig, InitialFill, Prediction},
    train::{
        Augmentation, DataConfig, Progress, Run, Schedule, StepRecord, TextProgress, Throughput, TrainConfig,
    },
};
use tempfile::tempdir;

use crate::short_run::{losses, resume, short_run, tensors, train};

fn config(steps: u64, objective: Objective) -> TrainConfig {
    // an epoch of two steps, so that the stop falls in the middle of one
    let config = TrainConfig { objective, ..short_run(steps, 4) };
    config.with_override("data.pictures=8").expect("a key")
}

#[test]
fn weights_are_byte_for_byte_those_of_an_uninterrupted_run() {
    for objective in [Objective::joint(), Objective::Reconstruction] {
        let folder = tempdir().expect("folder");
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        let straight = train(config(5, objective), &whole);
        train(config(3, objective), &parts);
        let resumed = resume::<TrainConfig>(&parts, &Device::flex(), 3, 5);

        let (expected, found) = (tensors(&straight.weights), tensors(&resumed.weights));
        assert!(expected.len() > 20);
        assert_eq!(expected, found);
        assert_eq!(straight.validation, resumed.validation);
        let read = |folder: &Path, file| fs::read_to_string(folder.join(file)).expect("file");
        assert_eq!(read(&whole, "config.toml"), read(&parts, "config.toml"));
        assert_eq!(losses(&whole).len(), 5);
        assert_eq!(losses(&whole), losses(&parts));
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
    let mut config =
        TrainConfig { schedule: Schedule::Cosine, ema_decay: 0.9, ..config(5, Objective::joint()) };
    config.run.augmentation = Augmentation { smallest: 64, color: 20 };
    config.run.log_every = 1;
    config.model = config.model.with_fill(InitialFill::Smooth);
    let straight = train(config.clone(), &whole);
    let stopped =
        Run::start(config, &parts, &device).expect("run").train(&mut StopAfter(3)).expect("stopped");
    assert_eq!(stopped.step, 3);
    let halfway = tensors(&stopped.weights);
    let resumed = resume::<TrainConfig>(&parts, &device, 3, 5);
    assert_eq!(tensors(&straight.weights), tensors(&resumed.weights));
    assert_ne!(halfway, tensors(&resumed.weights));
}

#[test]
fn skips_mask_input_noise_and_a_conditional_discriminator_resume_where_they_stopped() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let joint = config(5, Objective::joint());
    let mut photo = joint.clone();
    photo.masks = MaskKind::FreeForm;
    photo.model = photo.model.with_prediction(Prediction::Whole).with_fill(InitialFill::Smooth);
    photo.model = photo.model.with_skips(true).with_mask_input(true).with_conditional(true);
    let mut noisy = joint;
    noisy.model =
        noisy.model.with_bottleneck(BottleneckConfig::Dense(12)).with_noise(5).with_conditional(true);
    for (name, mut config) in [("photo", photo), ("noisy", noisy)] {
        let [whole, parts] = ["whole", "parts"].map(|part| folder.path().join(format!("{name}-{part}")));
        let straight = train(config.clone(), &whole);
        config.run.steps = 3;
        train(config, &parts);
        let resumed = resume::<TrainConfig>(&parts, &device, 3, 5);
        assert_eq!(tensors(&straight.weights), tensors(&resumed.weights), "{name}");
        assert_eq!(losses(&whole), losses(&parts), "{name}");
    }
}

#[test]
fn weights_do_not_depend_on_the_number_of_workers() {
    let folder = tempdir().expect("folder");
    let trained = |workers: usize| {
        let mut config = config(3, Objective::joint());
        config.run.workers = workers;
        tensors(&train(config, &folder.path().join(workers.to_string())).weights)
    };
    let expected = trained(0);
    for workers in [1, 2, 8] {
        assert_eq!(trained(workers), expected, "{workers} workers");
    }
}

#[test]
fn weights_do_not_depend_on_the_cache() {
    let folder = tempdir().expect("folder");
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
        tensors(&train(config, &run).weights)
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
    for refused in [data.clone().excluding(Some(&shards)), excluding.in_folder(&shards, Some(70), false)] {
        let error = refused.expect_err("not searched").to_string();
        assert!(error.contains("(data.exclude); unpack them"), "{error}");
    }
    // Epochs of two steps: of twelve samples the first is kept to validate on.
    (whole.run.data, whole.run.workers) = (data, 2);
    let expected = tensors(&train(whole.clone(), &folder.path().join("whole")).weights);

    let parts = folder.path().join("parts");
    (whole.run.steps, whole.run.workers) = (3, 0);
    train(whole, &parts);
    assert_eq!(tensors(&resume::<TrainConfig>(&parts, &device, 3, 5).weights), expected);

    fs::copy(shards.join("0.tar"), shards.join("1.tar")).expect("other pictures");
    let error = Run::<TrainConfig>::resume(&parts, &device).expect("checkpoint").with_steps(6).train(&mut ());
    assert!(error.expect_err("other pictures").to_string().contains("other pictures"));
}

#[test]
fn seeds_tell_runs_apart() {
    let folder = tempdir().expect("folder");
    let trained = |seed: u64| {
        let mut config = config(1, Objective::joint());
        config.run.seed = seed;
        tensors(&train(config, &folder.path().join(seed.to_string())).weights)
    };
    assert_ne!(trained(1), trained(2));
}

#[test]
fn log_and_summary_hold_the_data_wait() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let mut lines = Vec::new();
    let data_wait = Run::start(short_run(5, 4), folder.path().join("run"), &device)
        .expect("run")
        .train(&mut TextProgress::new(&mut lines))
        .expect("trained")
        .data_wait;

    let log = fs::read_to_string(folder.path().join("run/log.csv")).expect("log");
    let mut rows = log.lines().map(|row| row.split(',').collect::<Vec<_>>());
    assert_eq!(rows.next().expect("a header").last(), Some(&"data_wait"));
    let waits: BTreeMap<u64, f32> = rows
        .map(|row| (row[0].parse().expect("step"), row.last().expect("columns").parse().expect("percent")))
        .collect();
    assert_eq!(waits.len(), 5);
    // Without threads every picture is waited for, and then a step is made of them.
    assert!(waits.values().all(|share| *share > 0.0 && *share < 100.0), "{waits:?}");
    // Two readings of two steps, and one at the end.
    assert!(waits[&1] == waits[&2] && waits[&3] == waits[&4], "{waits:?}");
    let least = waits.values().copied().fold(100.0, f32::min);
    let most = waits.values().copied().fold(0.0, f32::max);
    assert!((least..=most).contains(&data_wait), "{data_wait} of {waits:?}");

    let lines = String::from_utf8(lines).expect("text");
    let last = lines.lines().last().expect("lines");
    assert!(last.ends_with(&format!("; {data_wait:.1} % of the steps' time was data wait")), "{last}");
}
