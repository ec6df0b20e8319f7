//! Bad input gets an error of one line that says what to do, and nothing is lost.

use std::{fs, path::Path};

use context_encoder::{
    Device, Discriminator, Inpainter, Model, ModelConfig,
    data::Skipped,
    train::{DataConfig, Progress, Run, StepRecord, Throughput, TrainConfig, TrainError},
};
use image::RgbImage;
use tempfile::tempdir;

use crate::short_run::short_run;

fn config() -> TrainConfig {
    let mut config = short_run(3, 2);
    (config.run.batch_size, config.run.log_every, config.run.checkpoint_every) = (2, 1, 1);
    config
}

fn pictures_in(folder: &Path, strict: bool) -> DataConfig {
    DataConfig::Folder { path: folder.to_owned(), resize: 70, strict, cache_mib: 64, exclude: None }
}

fn pictures(folder: &Path, count: u32) {
    for i in 0..count {
        let picture =
            RgbImage::from_fn(80, 70, |x, y| image::Rgb([(x * 3) as u8, (y * 3) as u8, (i * 40) as u8]));
        picture.save(folder.join(format!("{i:02}.png"))).expect("written");
    }
}

fn one_line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() > 20, "{text}");
    text
}

/// Remembers what was refused.
#[derive(Default)]
struct Ears(Vec<String>);

impl Progress for Ears {
    fn steps(&mut self, _records: &[StepRecord], _pace: &Throughput) {}

    fn skipped(&mut self, picture: &Skipped) {
        self.0.push(picture.to_string());
    }
}

#[test]
fn each_bad_picture_is_named_once_and_the_run_goes_on() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("created");
    pictures(&data, 8);
    let good = fs::read(data.join("03.png")).expect("picture");
    fs::write(data.join("03.png"), &good[..good.len() / 2]).expect("cut");
    fs::write(data.join("05.jpg"), b"no picture at all").expect("written");
    let mut config = config();
    config.run.steps = 12; // three epochs of the seven that remain for training
    config.run.data = pictures_in(&data, false);
    let mut ears = Ears::default();
    let summary = Run::start(config.clone(), folder.path().join("run"), &Device::flex())
        .expect("run")
        .train(&mut ears)
        .expect("trained");
    assert_eq!(summary.step, 12);
    for name in ["03.png", "05.jpg"] {
        assert_eq!(ears.0.iter().filter(|line| line.contains(name)).count(), 1, "{name}: {:?}", ears.0);
    }
    assert_eq!(summary.skipped.len(), 2);

    config.run.data = pictures_in(&data, true);
    let strict =
        Run::start(config, folder.path().join("strict"), &Device::flex()).expect("run").train(&mut ());
    assert!(one_line(&strict.expect_err("strict")).contains(".jpg"));
}

#[test]
fn missing_and_empty_folders_say_what_to_do() {
    let folder = tempdir().expect("folder");
    let train = |data: &Path| {
        let mut config = config();
        config.run.data = DataConfig::folder(data);
        one_line(
            &Run::start(config, folder.path().join("run"), &Device::flex())
                .expect("run")
                .train(&mut ())
                .expect_err("no data"),
        )
    };
    let absent = train(&folder.path().join("absent"));
    assert!(absent.contains("absent"), "{absent}");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("created");
    let empty = train(&empty);
    assert!(empty.contains("no usable picture") && empty.contains("put JPEG"), "{empty}");
    assert!(!folder.path().join("run/log.csv").exists(), "a run that never began leaves nothing behind");
}

#[test]
fn a_damaged_checkpoint_is_refused_and_left_alone() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let run = folder.path().join("run");
    let summary = Run::start(config(), &run, &device).expect("run").train(&mut ()).expect("trained");
    let bytes = fs::read(&summary.checkpoint).expect("checkpoint");
    for length in [0, 7, 600, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&summary.checkpoint, &bytes[..length]).expect("cut");
        let error = one_line(&Run::<TrainConfig>::resume(&run, &device).err().expect("damaged"));
        assert!(error.contains("checkpoint.bpk"), "{error}");
        assert_eq!(fs::read(&summary.checkpoint).expect("checkpoint").len(), length);
    }
    // a run killed between the renaming of the old and of the new one
    fs::remove_file(&summary.checkpoint).expect("removed");
    assert_eq!(Run::<TrainConfig>::resume(&run, &device).expect("the one before").step(), 2);
    fs::remove_file(run.join("checkpoint.previous.bpk")).expect("removed");
    assert!(
        one_line(&Run::<TrainConfig>::resume(&run, &device).err().expect("absent"))
            .starts_with("cannot read")
    );
}

#[test]
fn a_new_run_never_overwrites_another() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let run = folder.path().join("run");
    let summary = Run::start(config(), &run, &device).expect("run").train(&mut ()).expect("trained");
    let before = fs::read(&summary.checkpoint).expect("checkpoint");
    let error = one_line(&Run::start(config(), &run, &device).err().expect("occupied"));
    assert!(error.contains("already holds a run"), "{error}");
    assert_eq!(fs::read(&summary.checkpoint).expect("checkpoint"), before);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_a_good_checkpoint_remains() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let run = folder.path().join("run");
    let good = Run::start(config(), &run, &device).expect("run").train(&mut ()).expect("trained");
    let last_good = fs::read(&good.checkpoint).expect("checkpoint");

    // from here on with a rate that throws the weights out of range: each step writes a checkpoint
    let wild = Run::<TrainConfig>::resume(&run, &device).expect("checkpoint");
    let wild = wild
        .with_override("generator_lr=1e10")
        .and_then(|run| run.with_override("steps=20"))
        .expect("changeable");
    let error = wild.train(&mut ()).expect_err("diverged");
    let TrainError::NotFinite { step, .. } = error else { panic!("{error}") };
    assert!(step > 3 && one_line(&error).contains("checkpoint.previous.bpk"), "{error}");

    // whether or not the newest had gone wrong already, one of the two goes on with a sane rate
    let goes_on = || {
        let run = Run::<TrainConfig>::resume(&run, &device).expect("a whole checkpoint");
        let steps = format!("steps={}", run.step() + 1);
        run.with_override("generator_lr=1e-4")
            .and_then(|run| run.with_override(&steps))
            .expect("changeable")
            .train(&mut ())
    };
    let previous = run.join("checkpoint.previous.bpk");
    if goes_on().is_err() {
        assert_eq!(
            fs::read(&previous).expect("kept"),
            last_good,
            "the step before the explosion is kept as it was"
        );
        fs::rename(&previous, &good.checkpoint).expect("restored by hand, as the error says");
        goes_on().expect("the last good checkpoint goes on");
    }
}

#[test]
fn a_run_that_fails_before_its_first_checkpoint_can_start_again() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let run = folder.path().join("run");
    let mut wild = TrainConfig { generator_lr: 1e38, ..config() };
    (wild.run.checkpoint_every, wild.run.steps) = (0, 9);
    let error = Run::start(wild, &run, &device).expect("run").train(&mut ()).expect_err("diverged");
    assert!(matches!(error, TrainError::NotFinite { .. }), "{error}");
    Run::start(config(), &run, &device).expect("nothing was there to lose").train(&mut ()).expect("trained");
}

#[test]
fn a_resumed_run_refuses_what_would_change_it() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("created");
    pictures(&data, 6);
    let run = folder.path().join("run");
    let mut config = config();
    config.run.data = pictures_in(&data, false);
    Run::start(config, &run, &device).expect("run").train(&mut ()).expect("trained");
    let resume = || Run::<TrainConfig>::resume(&run, &device).expect("checkpoint");
    let error = one_line(&resume().with_override("model.width=8").err().expect("architecture"));
    assert!(error.contains("`model.width` cannot be changed in a run"), "{error}");
    let error = one_line(&resume().with_override("data.resize=80").err().expect("other crops"));
    assert!(error.contains("these can") && error.contains("data.cache_mib"), "{error}");
    assert!(resume().with_override("data.cache_mib=0").is_ok());
    let error = one_line(&resume().with_steps(1).train(&mut ()).expect_err("fewer than done"));
    assert!(error.contains("has done 3"), "{error}");
    fs::remove_file(data.join("02.png")).expect("removed");
    let error = one_line(&resume().with_steps(5).train(&mut ()).expect_err("other pictures"));
    assert!(error.contains("other pictures"), "{error}");
}

#[test]
fn broken_validation_picture_is_reported() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("created");
    pictures(&data, 22); // 00 and 20 are kept for validation
    let good = fs::read(data.join("00.png")).expect("picture");
    fs::write(data.join("00.png"), &good[..good.len() / 2]).expect("cut");
    let mut config = config();
    config.run.data = pictures_in(&data, false);
    let mut ears = Ears::default();
    let train = |name: &str, ears: &mut Ears| {
        Run::start(config.clone(), folder.path().join(name), &Device::flex()).expect("run").train(ears)
    };
    let summary = train("one", &mut ears).expect("trained");
    assert_eq!(summary.validation.pictures, 1);
    assert_eq!(ears.0.iter().filter(|line| line.contains("00.png")).count(), 1, "{:?}", ears.0);
    fs::write(data.join("20.png"), &good[..good.len() / 2]).expect("cut");
    let error = one_line(&train("none", &mut ears).expect_err("nothing to validate on"));
    assert!(error.contains("none of the 2 pictures kept for validation"), "{error}");
}

#[test]
fn weights_of_another_architecture_are_refused_by_name() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let path = folder.path().join("critic.safetensors");
    let small = ModelConfig::default().with_size(64).with_width(2);
    Discriminator::new(&small, 0, &device).expect("valid").save(&small, &path).expect("saved");
    let error = one_line(&Inpainter::load(&path, &device).expect_err("no generator"));
    assert!(error.contains("missing: bottleneck.channel_wise.weight"), "{error}");
    let summary = Run::start(config(), folder.path().join("run"), &device)
        .expect("run")
        .train(&mut ())
        .expect("trained");
    let error =
        one_line(&Model::load(&summary.checkpoint, &device).expect_err("a checkpoint is no weights file"));
    assert!(error.contains("checkpoint.bpk is no usable weights file"), "{error}");
    fs::copy(&summary.weights, &summary.checkpoint).expect("weights in its place");
    let error = one_line(
        &Run::<TrainConfig>::resume(folder.path().join("run"), &device).err().expect("no checkpoint"),
    );
    assert!(error.contains("is no usable checkpoint"), "{error}");
}
