//! The classifier and its loop.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use context_encoder_data::Transform;
use context_encoder_model::{FeatureModelConfig, SaveOptions};
use image::{Rgb, RgbImage};

use super::*;
use crate::{
    Fit, Source,
    fit::{Item, Lessons, load_head, save_head},
    voc::Presence::{self, Absent, Difficult, Present},
};

fn config() -> FeatureModelConfig {
    FeatureModelConfig::alexnet().with_width(4).with_size(99)
}

fn training() -> Device {
    Device::flex().autodiff()
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().expect("f32")
}

fn first_weights(encoder: &FeatureEncoder) -> Vec<f32> {
    values(encoder.forward(Tensor::full([1, 3, 99, 99], 0.3, &device_of(encoder))))
}

/// Four pictures of stripes, upright or level: a mirror changes nothing about that.
fn album() -> Album {
    let stripes = |index: u32| {
        RgbImage::from_fn(120, 110, |x, y| {
            let along = if index.is_multiple_of(2) { x } else { y };
            let light = (along / (6 + index)).is_multiple_of(2);
            Rgb(if light { [220, 200, 180] } else { [40, 60 + 20 * index as u8, 50] })
        })
    };
    let presences =
        (0..4).map(|index| if index % 2 == 0 { vec![Present, Absent] } else { vec![Absent, Present] });
    Album {
        classes: vec!["upright".into(), "level".into()],
        pictures: (0..4).map(stripes).collect(),
        presences: presences.collect(),
    }
}

fn teach(question: Question, fit: &Fit) -> crate::Fitted<Classifier> {
    let album = album();
    let view = Transform::RandomCrop { resize: 110, size: 99 };
    let encoder = Source::Random { config: config(), seed: 1 }.load(&training()).expect("encoder");
    let classifier = Classifier::new(encoder, 2, question, 1);
    let lessons = CropLessons { album: &album, view };
    let judge = |classifier: &Classifier| Ok(Exam::sit(classifier, &album, view).score());
    fit.run(classifier, &lessons, &training(), 0, judge, &mut |_| ()).expect("learned")
}

#[test]
fn few_pictures_are_memorised() {
    let fit = Fit { steps: 60, batch_size: 4, rate: 1e-3, every: 20, ..Fit::default() };
    for question in [Question::WhichOne, Question::WhichAll] {
        let fitted = teach(question, &fit);
        assert_eq!(fitted.curve.score(), 1.0, "{:?}", fitted.curve);
        assert_eq!(fitted.curve.points.len(), 3);
    }
}

#[test]
fn a_pictures_crop_depends_on_seed_epoch_and_picture_alone() {
    let (album, device) = (album(), Device::flex());
    let lessons = CropLessons { album: &album, view: Transform::RandomCrop { resize: 110, size: 99 } };
    let crop = |seed, items: &[Item]| {
        let pictures = lessons.batch(seed, items, &device).expect("in memory").pictures;
        values(pictures.narrow(0, items.len() - 1, 1))
    };
    let [item, other] = [(4, 2), (0, 3)].map(|(epoch, index)| Item { epoch, index });
    assert_eq!(crop(7, &[item]), crop(7, &[other, other, item]));
    assert_ne!(crop(7, &[item]), crop(8, &[item]));
    assert_ne!(crop(7, &[item]), crop(7, &[Item { epoch: 5, ..item }]));
}

#[test]
fn a_frozen_encoder_stays_and_another_moves() {
    let before =
        first_weights(&Source::Random { config: config(), seed: 1 }.load(&Device::flex()).expect("encoder"));
    for (encoder_rate, moves) in [(0.0, false), (0.1, true)] {
        let fit = Fit { steps: 3, batch_size: 4, encoder_rate, ..Fit::default() };
        let fitted = teach(Question::WhichOne, &fit);
        assert_eq!(first_weights(fitted.head.encoder()) != before, moves);
    }
}

#[test]
fn the_same_arguments_give_the_same_head() {
    let fit = Fit { steps: 3, batch_size: 4, ..Fit::default() };
    let picture = || Tensor::full([1, 3, 99, 99], 0.2, &Device::flex());
    let [first, again] = [(); 2].map(|()| {
        let fitted = teach(Question::WhichOne, &fit);
        // Somebody else draws from the device's random numbers.
        let _ = Tensor::<1>::random([3], burn::tensor::Distribution::Default, &training());
        (fitted.curve, values(fitted.head.forward(picture())))
    });
    assert_eq!(first, again);
    let other = teach(Question::WhichOne, &Fit { seed: 1, ..fit });
    assert_ne!(values(other.head.forward(picture())), first.1);
}

#[test]
fn a_pretrained_encoder_is_used_and_learns_on() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("encoder.safetensors");
    let original = config().init_seeded(7, &Device::flex()).expect("valid").into_encoder();
    original.save_with(&SaveOptions::default(), &path).expect("saved");
    let encoder = Source::File(path).load(&training()).expect("loaded");
    assert_eq!(first_weights(&encoder), first_weights(&original));
    let album = album();
    let view = Transform::RandomCrop { resize: 110, size: 99 };
    let classifier = Classifier::new(encoder, 2, Question::WhichOne, 0);
    let fit = Fit { steps: 2, batch_size: 2, ..Fit::default() };
    let lessons = CropLessons { album: &album, view };
    let fitted = fit.run(classifier, &lessons, &training(), 0, |_| Ok(0.0), &mut |_| ()).expect("learned");
    assert_ne!(first_weights(fitted.head.encoder()), first_weights(&original));

    let saved = folder.path().join("head.safetensors");
    save_head(&fitted.head, &saved).expect("saved");
    let fresh = |seed| {
        Classifier::new(
            Source::Random { config: config(), seed }.load(&Device::flex()).expect("encoder"),
            2,
            Question::WhichOne,
            seed,
        )
    };
    let loaded = load_head(fresh(5), &saved).expect("loaded");
    let picture = Tensor::full([1, 3, 99, 99], 0.2, &Device::flex());
    assert_eq!(values(loaded.forward(picture.clone())), values(fitted.head.forward(picture)));
    let wider = Classifier::new(original, 3, Question::WhichOne, 0);
    assert!(load_head(wider, &saved).expect_err("three classes").to_string().contains("fc8"));
}

#[test]
fn losses_worked_out_by_hand() {
    let device = Device::flex();
    let encoder = || Source::Random { config: config(), seed: 0 }.load(&device).expect("encoder");
    let batch = |presences: &[Presence]| {
        let [targets, counted] = targets(&[presences], &device);
        LabelledBatch { pictures: Tensor::zeros([1, 3, 99, 99], &device), targets, counted }
    };
    let loss = |question, presences: &[Presence]| {
        let mut classifier = Classifier::new(encoder(), 3, question, 0);
        // Logits 1, -2, 0 whatever the picture.
        classifier.fc8.weight = classifier.fc8.weight.map(|weight| weight.zeros_like());
        classifier.fc8.bias =
            Some(burn::module::Param::from_tensor(Tensor::from_floats([1.0, -2.0, 0.0], &device)));
        classifier.loss(&batch(presences), &mut Silence::none()).into_scalar::<f32>()
    };
    let close = |ours: f32, theirs: f32| assert!((ours - theirs).abs() < 1e-5, "{ours} is not {theirs}");
    // ln(e^1 + e^-2 + 1) - 1
    close(loss(Question::WhichOne, &[Present, Absent, Absent]), 0.349_012);
    // ln(1 + e^-1) + ln(1 + e^-2) + ln 2; without the last, which is difficult
    close(loss(Question::WhichAll, &[Present, Absent, Absent]), 1.133_337);
    close(loss(Question::WhichAll, &[Present, Absent, Difficult]), 0.440_190);
}

#[test]
fn parameters_are_alexnets() {
    // fc6 9216 -> 4096, fc7 4096 -> 4096, fc8 4096 -> 20, with biases; at a quarter of the width
    let encoder =
        FeatureModelConfig::alexnet().with_width(16).init(&Device::flex()).expect("valid").into_encoder();
    let own = encoder.num_params();
    let classifier = Classifier::new(encoder, 20, Question::WhichAll, 0);
    assert_eq!(classifier.num_params() - own, 2304 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 20 + 20);
}
