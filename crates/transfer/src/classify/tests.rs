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
    fit::{BatchSource, Item, load_head, save_head},
    voc::Label::{self, Absent, Difficult, Present},
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

fn encoder_output(encoder: &FeatureEncoder) -> Vec<f32> {
    values(encoder.forward(Tensor::full([1, 3, 99, 99], 0.3, &device_of(encoder))))
}

/// Four pictures of stripes, upright or level: a mirror changes nothing about that.
fn dataset() -> LabeledDataset {
    let stripes = |index: u32| {
        RgbImage::from_fn(120, 110, |x, y| {
            let along = if index.is_multiple_of(2) { x } else { y };
            let light = (along / (6 + index)).is_multiple_of(2);
            Rgb(if light { [220, 200, 180] } else { [40, 60 + 20 * index as u8, 50] })
        })
    };
    let labels =
        (0..4).map(|index| if index % 2 == 0 { vec![Present, Absent] } else { vec![Absent, Present] });
    LabeledDataset {
        classes: vec!["upright".into(), "level".into()],
        pictures: (0..4).map(stripes).collect(),
        labels: labels.collect(),
    }
}

fn train(classification: Classification, fit: &Fit) -> crate::Fitted<Classifier> {
    let dataset = dataset();
    let view = Transform::RandomCrop { resize: 110, size: 99 };
    let encoder = Source::Random { config: config(), seed: 1 }.load(&training()).expect("encoder");
    let classifier = Classifier::new(encoder, 2, classification, 1);
    let source = CropSource { dataset: &dataset, view };
    let judge = |classifier: &Classifier| Ok(Metrics::evaluate(classifier, &dataset, view).score());
    fit.run(classifier, &source, &training(), 0, judge, &mut |_| ()).expect("learned")
}

#[test]
fn few_pictures_are_memorised() {
    let fit = Fit { steps: 60, batch_size: 4, lr: 1e-3, every: 20, ..Fit::default() };
    for classification in [Classification::SingleLabel, Classification::MultiLabel] {
        let fitted = train(classification, &fit);
        assert_eq!(fitted.curve.score(), 1.0, "{:?}", fitted.curve);
        assert_eq!(fitted.curve.points.len(), 3);
    }
}

#[test]
fn a_pictures_crop_depends_on_seed_epoch_and_picture_alone() {
    let (dataset, device) = (dataset(), Device::flex());
    let source = CropSource { dataset: &dataset, view: Transform::RandomCrop { resize: 110, size: 99 } };
    let crop = |seed, items: &[Item]| {
        let pictures = source.batch(seed, items, &device).expect("in memory").pictures;
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
        encoder_output(&Source::Random { config: config(), seed: 1 }.load(&Device::flex()).expect("encoder"));
    for (encoder_lr_scale, moves) in [(0.0, false), (0.1, true)] {
        let fit = Fit { steps: 3, batch_size: 4, encoder_lr_scale, ..Fit::default() };
        let fitted = train(Classification::SingleLabel, &fit);
        assert_eq!(encoder_output(fitted.head.encoder()) != before, moves);
    }
}

#[test]
fn the_same_arguments_give_the_same_head() {
    let fit = Fit { steps: 3, batch_size: 4, ..Fit::default() };
    let picture = || Tensor::full([1, 3, 99, 99], 0.2, &Device::flex());
    let [first, again] = [(); 2].map(|()| {
        let fitted = train(Classification::SingleLabel, &fit);
        // Somebody else draws from the device's random numbers.
        let _ = Tensor::<1>::random([3], burn::tensor::Distribution::Default, &training());
        (fitted.curve, values(fitted.head.forward(picture())))
    });
    assert_eq!(first, again);
    let other = train(Classification::SingleLabel, &Fit { seed: 1, ..fit });
    assert_ne!(values(other.head.forward(picture())), first.1);
}

#[test]
fn a_pretrained_encoder_is_used_and_learns_on() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("encoder.safetensors");
    let original = config().init_seeded(7, &Device::flex()).expect("valid").into_encoder();
    original.save_with(&SaveOptions::default(), &path).expect("saved");
    let encoder = Source::File(path).load(&training()).expect("loaded");
    assert_eq!(encoder_output(&encoder), encoder_output(&original));
    let dataset = dataset();
    let view = Transform::RandomCrop { resize: 110, size: 99 };
    let classifier = Classifier::new(encoder, 2, Classification::SingleLabel, 0);
    let fit = Fit { steps: 2, batch_size: 2, ..Fit::default() };
    let source = CropSource { dataset: &dataset, view };
    let fitted = fit.run(classifier, &source, &training(), 0, |_| Ok(0.0), &mut |_| ()).expect("learned");
    assert_ne!(encoder_output(fitted.head.encoder()), encoder_output(&original));

    let saved = folder.path().join("head.safetensors");
    save_head(&fitted.head, &saved).expect("saved");
    let fresh = |seed| {
        Classifier::new(
            Source::Random { config: config(), seed }.load(&Device::flex()).expect("encoder"),
            2,
            Classification::SingleLabel,
            seed,
        )
    };
    let loaded = load_head(fresh(5), &saved).expect("loaded");
    let picture = Tensor::full([1, 3, 99, 99], 0.2, &Device::flex());
    assert_eq!(values(loaded.forward(picture.clone())), values(fitted.head.forward(picture)));
    let wider = Classifier::new(original, 3, Classification::SingleLabel, 0);
    assert!(load_head(wider, &saved).expect_err("three classes").to_string().contains("fc8"));
}

#[test]
fn losses_worked_out_by_hand() {
    let device = Device::flex();
    let encoder = || Source::Random { config: config(), seed: 0 }.load(&device).expect("encoder");
    let batch = |labels: &[Label]| {
        let [targets, counted] = targets(&[labels], &device);
        LabeledBatch { pictures: Tensor::zeros([1, 3, 99, 99], &device), targets, counted }
    };
    let loss = |classification, labels: &[Label]| {
        let mut classifier = Classifier::new(encoder(), 3, classification, 0);
        // Logits 1, -2, 0 whatever the picture.
        classifier.fc8.weight = classifier.fc8.weight.map(|weight| weight.zeros_like());
        classifier.fc8.bias =
            Some(burn::module::Param::from_tensor(Tensor::from_floats([1.0, -2.0, 0.0], &device)));
        classifier.loss(&batch(labels), &mut Dropout::none()).into_scalar::<f32>()
    };
    let close = |ours: f32, theirs: f32| assert!((ours - theirs).abs() < 1e-5, "{ours} is not {theirs}");
    // ln(e^1 + e^-2 + 1) - 1
    close(loss(Classification::SingleLabel, &[Present, Absent, Absent]), 0.349_012);
    // ln(1 + e^-1) + ln(1 + e^-2) + ln 2; without the last, which is difficult
    close(loss(Classification::MultiLabel, &[Present, Absent, Absent]), 1.133_337);
    close(loss(Classification::MultiLabel, &[Present, Absent, Difficult]), 0.440_190);
}

#[test]
fn parameters_are_alexnets() {
    // fc6 9216 -> 4096, fc7 4096 -> 4096, fc8 4096 -> 20, with biases; at a quarter of the width
    let encoder =
        FeatureModelConfig::alexnet().with_width(16).init(&Device::flex()).expect("valid").into_encoder();
    let own = encoder.num_params();
    let classifier = Classifier::new(encoder, 20, Classification::MultiLabel, 0);
    assert_eq!(classifier.num_params() - own, 2304 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 20 + 20);
}
