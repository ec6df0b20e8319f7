//! The classifier and its training.

use burn::{
    module::{Module, Param},
    tensor::{Device, Distribution, Tensor},
};
use context_encoder_model::{FeatureModelConfig, SaveOptions};
use image::{Rgb, RgbImage};

use super::*;
use crate::{
    Fit, Fitted,
    voc::Label::{Difficult, Negative, Positive},
};

fn config() -> FeatureModelConfig {
    FeatureModelConfig::alexnet().with_width(4).with_size(99)
}

fn encoder(seed: u64, device: &Device) -> FeatureEncoder {
    config().init_seeded(seed, device).expect("valid").into_encoder()
}

fn autodiff() -> Device {
    Device::flex().autodiff()
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().expect("f32")
}

fn features(encoder: &FeatureEncoder) -> Vec<f32> {
    values(encoder.forward(Tensor::full([1, 3, 99, 99], 0.3, &device_of(encoder))))
}

fn gray() -> Tensor<4> {
    Tensor::full([1, 3, 99, 99], 0.2, &Device::flex())
}

/// Four images of stripes, vertical or horizontal: a flip does not change the class.
fn samples() -> Vec<LabeledImage> {
    let stripes = |index: u32| {
        RgbImage::from_fn(122, 112, |x, y| {
            let across = if index.is_multiple_of(2) { x } else { y };
            let light = (across / (6 + index)).is_multiple_of(2);
            Rgb(if light { [220, 200, 180] } else { [40, 60 + 20 * index as u8, 50] })
        })
    };
    let labels = |index| if index % 2 == 0 { vec![Positive, Negative] } else { vec![Negative, Positive] };
    (0..4).map(|index| LabeledImage { image: stripes(index), labels: labels(index) }).collect()
}

fn train(classification: Classification, fit: &Fit) -> Fitted<Classifier> {
    let classifier = Classifier::new(encoder(1, &autodiff()), 2, classification, 1);
    fit.run(classifier, &samples(), &samples(), &mut |_| ()).expect("trained")
}

#[test]
fn few_images_are_memorised() {
    let fit = Fit { steps: 60, batch_size: 4, lr: 1e-3, log_every: 20, ..Fit::default() };
    for classification in [Classification::SingleLabel, Classification::MultiLabel] {
        let fitted = train(classification, &fit);
        assert_eq!(fitted.metrics.score(), 1.0, "{:?}", fitted.curve);
        let scores: Vec<Option<f64>> = fitted.curve.iter().map(|point| point.score).collect();
        assert_eq!(scores, [None, None, Some(1.0)]);
    }
}

#[test]
fn frozen_encoder_stays_and_another_is_trained() {
    let before = features(&encoder(1, &Device::flex()));
    for (encoder_lr_scale, changes) in [(0.0, false), (0.1, true)] {
        let fit = Fit { steps: 3, batch_size: 4, encoder_lr_scale, ..Fit::default() };
        let fitted = train(Classification::SingleLabel, &fit);
        assert_eq!(features(fitted.head.encoder()) != before, changes);
    }
}

#[test]
fn same_arguments_give_the_same_head() {
    let fit = Fit { steps: 3, batch_size: 4, ..Fit::default() };
    let [first, again] = [(); 2].map(|()| {
        let fitted = train(Classification::SingleLabel, &fit);
        // Somebody else draws from the device's random numbers.
        let _ = Tensor::<1>::random([3], Distribution::Default, &autodiff());
        (fitted.curve, values(fitted.head.forward(gray())))
    });
    assert_eq!(first, again);
    let other = train(Classification::SingleLabel, &Fit { seed: 1, ..fit });
    assert_ne!(values(other.head.forward(gray())), first.1);
}

#[test]
fn pretrained_encoder_is_fine_tuned_and_the_head_saved() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("encoder.safetensors");
    let original = encoder(7, &Device::flex());
    original.save_with(&SaveOptions::default(), &path).expect("saved");
    let loaded = FeatureEncoder::load(&path, &autodiff()).expect("loaded");
    assert_eq!(features(&loaded), features(&original));
    let classifier = |encoder, classes| Classifier::new(encoder, classes, Classification::SingleLabel, 0);
    let fit = Fit { steps: 2, batch_size: 2, ..Fit::default() };
    let fitted = fit.run(classifier(loaded, 2), &samples(), &samples(), &mut |_| ()).expect("trained");
    assert_ne!(features(fitted.head.encoder()), features(&original));

    let saved = folder.path().join("head.safetensors");
    fitted.head.save(&saved).expect("saved");
    let reloaded = classifier(encoder(5, &Device::flex()), 2).load(&saved).expect("loaded");
    assert_eq!(values(reloaded.forward(gray())), values(fitted.head.forward(gray())));
    let error = classifier(original, 3).load(&saved).expect_err("three classes").to_string();
    assert!(error.contains("fc8"), "{error}");
}

#[test]
fn losses_worked_out_by_hand() {
    let device = Device::flex();
    let loss = |classification, labels: &[Label]| {
        let mut classifier = Classifier::new(encoder(0, &device), 3, classification, 0);
        // Logits 1, -2, 0 whatever the image.
        classifier.fc8.weight = classifier.fc8.weight.map(|weight| weight.zeros_like());
        classifier.fc8.bias = Some(Param::from_tensor(Tensor::from_floats([1.0, -2.0, 0.0], &device)));
        classifier.cross_entropy(gray(), &[labels], &mut Dropout::off()).into_scalar::<f32>()
    };
    let close = |ours: f32, theirs: f32| assert!((ours - theirs).abs() < 1e-5, "{ours} is not {theirs}");
    // ln(e^1 + e^-2 + 1) - 1
    close(loss(Classification::SingleLabel, &[Positive, Negative, Negative]), 0.349_012);
    // ln(1 + e^-1) + ln(1 + e^-2) + ln 2; without the last, which is difficult
    close(loss(Classification::MultiLabel, &[Positive, Negative, Negative]), 1.133_337);
    close(loss(Classification::MultiLabel, &[Positive, Negative, Difficult]), 0.440_190);
}

#[test]
fn parameters_are_alexnets() {
    // fc6 9216 -> 4096, fc7 4096 -> 4096, fc8 4096 -> 20, with biases; at a quarter of the width
    let encoder =
        FeatureModelConfig::alexnet().with_width(16).init(&Device::flex()).expect("valid").into_encoder();
    let of_encoder = encoder.num_params();
    let classifier = Classifier::new(encoder, 20, Classification::MultiLabel, 0);
    let of_head = classifier.num_params() - of_encoder;
    assert_eq!(of_head, 2304 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 20 + 20);
}
