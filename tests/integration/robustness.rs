//! Bad input gets an error of one line that says what to do, and nothing is lost.

use std::{fs, path::Path};

use context_encoder::{
    Device, Discriminator, Inpainter, Model, ModelConfig,
    data::Refused,
    train::{DataConfig, Progress, Run, StepRecord, TrainConfig, TrainError, progress::Pace},
};
use image::RgbImage;
use tempfile::tempdir;

fn config() -> TrainConfig {
    let mut config = TrainConfig {
        steps: 3,
        batch_size: 2,
        workers: 0,
        log_every: 1,
        sheet_every: 0,
        validate_every: 0,
        checkpoint_every: 1,
        validation_pictures: 2,
        ..TrainConfig::default()
    };
    config.model = config.model.with_size(64).with_width(2);
    config
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
    fn steps(&mut self, _records: &[StepRecord], _pace: &Pace) {}

    fn refused(&mut self, picture: &Refused) {
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
    config.steps = 12; // three epochs of the seven that remain for training
    config.data = DataConfig::Folder { path: data.clone(), resize: 70, strict: false };
    let mut ears = Ears::default();
    let summary = Run::start(config.clone(), folder.path().join("run"), &Device::flex())
        .expect("run")
        .train(&mut ears)
        .expect("trained");
    assert_eq!(summary.step, 12);
    for name in ["03.png", "05.jpg"] {
        assert_eq!(ears.0.iter().filter(|line| line.contains(name)).count(), 1, "{name}: {:?}", ears.0);
    }
    assert_eq!(summary.refused.len(), 2);

    config.data = DataConfig::Folder { path: data, resize: 70, strict: true };
    let strict =
        Run::start(config, folder.path().join("strict"), &Device::flex()).expect("run").train(&mut ());
    assert!(one_line(&strict.expect_err("strict")).contains(".jpg"));
}

#[test]
fn missing_and_empty_folders_say_what_to_do() {
    let folder = tempdir().expect("folder");
    let train = |data: &Path| {
        let config = TrainConfig { data: DataConfig::folder(data), ..config() };
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
        let error = one_line(&Run::resume(&run, &device).err().expect("damaged"));
        assert!(error.contains("checkpoint.bpk"), "{error}");
        assert_eq!(fs::read(&summary.checkpoint).expect("checkpoint").len(), length);
    }
    fs::remove_file(&summary.checkpoint).expect("removed");
    assert!(one_line(&Run::resume(&run, &device).err().expect("absent")).starts_with("cannot read"));
}

#[test]
fn a_new_run_never_overwrites_another() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let run = folder.path().join("run");
    let summary = Run::start(config(), &run, &device).expect("run").train(&mut ()).expect("trained");
    let before = fs::read(&summary.checkpoint).expect("checkpoint");
    let error = one_line(&Run::start(config(), &run, &device).err().expect("occupied"));
    assert!(error.contains("--resume"), "{error}");
    assert_eq!(fs::read(&summary.checkpoint).expect("checkpoint"), before);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let run = folder.path().join("run");
    let summary = Run::start(config(), &run, &device).expect("run").train(&mut ()).expect("trained");
    let before = fs::read(&summary.checkpoint).expect("checkpoint");

    // the same run with a rate that throws the weights out of range
    let mut wild = config();
    wild.generator_rate = 1e38;
    wild.steps = 50;
    let other = folder.path().join("wild");
    let error = Run::start(wild, &other, &device).expect("run").train(&mut ()).expect_err("diverged");
    assert!(matches!(error, TrainError::NotFinite { step: 1.., .. }), "{error}");
    assert!(one_line(&error).contains("at step"));
    // what was written before the numbers went wrong, if anything, is still a whole checkpoint
    let checkpoint = other.join("checkpoint.bpk");
    if checkpoint.exists() {
        assert!(Run::resume(&other, &device).is_ok());
    }
    assert_eq!(fs::read(&summary.checkpoint).expect("checkpoint"), before);
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
    let error = one_line(&Run::resume(folder.path().join("run"), &device).err().expect("no checkpoint"));
    assert!(error.contains("is no usable checkpoint"), "{error}");
}
