//! Pretraining as a whole: resumed runs, grey pictures, the encoder that it leaves.

use std::fs;

use context_encoder::{
    Device,
    data::Facades,
    model::{FeatureEncoder, FeatureModel, TrainingRecord},
    train::{Augmentation, Checkpoint, Pretext, PretrainConfig, Run, TrainConfig},
};
use tempfile::tempdir;

use crate::short_run::{resume, tensors, train};

/// A small network on pictures of 99 pixels, in epochs of two steps.
fn config(steps: u64, pretext: Pretext) -> PretrainConfig {
    let mut config = PretrainConfig { pretext, lr: Some(1e-3), ..PretrainConfig::default().smoke() };
    (config.run.steps, config.run.workers, config.run.samples_every) = (steps, 0, 0);
    config.with_override("data.pictures=8").expect("a key")
}

#[test]
fn resumed_run_is_the_run_that_never_stopped() {
    for pretext in Pretext::ALL {
        let folder = tempdir().expect("folder");
        let [whole, parts, other] = ["whole", "parts", "other"].map(|name| folder.path().join(name));
        let straight = train(config(5, pretext), &whole);
        train(config(3, pretext), &parts);
        let resumed = resume::<PretrainConfig>(&parts, &Device::flex(), 3, 5);

        let expected = tensors(&straight.weights);
        assert!(expected.len() > 20);
        assert_eq!(expected, tensors(&resumed.weights), "{pretext}");
        assert_eq!(straight.validation, resumed.validation);
        let record = Checkpoint::<PretrainConfig>::load(&resumed.checkpoint).expect("checkpoint");
        assert_eq!((record.step, record.config.pretext), (5, pretext));
        let mut config = config(5, pretext);
        config.run.seed = 1;
        assert_ne!(expected, tensors(&train(config, &other).weights));
    }
}

#[test]
fn random_weights_are_a_run_of_no_steps() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let config = config(0, Pretext::Context);
    let summary = train(config.clone(), folder.path());
    let drawn = folder.path().join("drawn.safetensors");
    config.model.init_seeded(config.run.seed, &device).expect("valid").save(&drawn).expect("saved");
    assert_eq!(tensors(&summary.weights), tensors(&drawn));
}

#[test]
fn grey_pictures_of_a_folder_are_trained_on_and_leave_an_encoder() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("created");
    for index in 0..6 {
        let picture = Facades::new(3).with_size(160, 130).image(index);
        let grey = image::DynamicImage::ImageRgb8(picture).to_luma8();
        grey.save(data.join(format!("{index}.png"))).expect("written");
    }
    let mut config = config(2, Pretext::Context).with_folder(&data, Some(110), true).expect("no shards");
    config.run.augmentation = Augmentation { smallest: 99, color: 10 };
    config.run.samples_every = 1;
    let summary = train(config.clone(), &folder.path().join("run"));
    assert_eq!(summary.validation.baselines.len(), 2);
    assert_eq!(summary.samples.len(), 3);

    let record = TrainingRecord::load(&summary.weights).expect("header").expect("a record");
    assert_eq!((record.steps, record.samples), (2, 8));
    assert_eq!(record.masks, "random regions, noise pattern");
    let model = FeatureModel::load(&summary.weights, &device).expect("weights");
    assert_eq!(model.config(), &config.model);
    assert!(FeatureEncoder::load(&summary.weights, &device).is_ok());
}

#[test]
fn the_two_kinds_of_run_do_not_continue_each_other() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let summary = train(config(1, Pretext::Autoencoder), folder.path());
    assert!(summary.validation.baselines.is_empty());
    let error = Run::<TrainConfig>::resume(folder.path(), &device).err().expect("another kind").to_string();
    assert!(error.contains("`train` and `pretrain` each continue their own"), "{error}");
    let error = Run::<PretrainConfig>::resume(folder.path(), &device)
        .expect("own kind")
        .with_override("pretext.kind=context")
        .err()
        .expect("fixed")
        .to_string();
    assert!(error.contains("cannot be changed in a run; these can: steps, lr"), "{error}");
}
