//! The detector as a whole.

use burn::tensor::Device;
use context_encoder_model::FeatureModelConfig;

use super::*;
use crate::{
    Fit, Source,
    metric::{Interpolation, mean},
    voc::{Voc, tiny},
};

#[test]
fn the_tiny_devkit_is_memorised() {
    let folder = tempfile::tempdir().expect("folder");
    tiny::draw(folder.path(), 6, 1).expect("drawn");
    let voc = Voc::open(folder.path()).expect("opened");
    let samples = DetectionSample::from_voc(&voc, "trainval", 160, None, 60).expect("read");
    let training = Device::flex().autodiff();
    let config = FeatureModelConfig::alexnet().with_width(8);
    let encoder = Source::Random { config, seed: 2 }.load(&training).expect("encoder");
    let detector = Detector::new(encoder, 3, 0);
    let fit = Fit { steps: 200, batch_size: 2, lr: 1e-3, ..Fit::default() };
    let source = DetectionSource { samples: &samples, classes: 3, sampling: Sampling::default() };
    let judge =
        |detector: &Detector| Ok(mean(&detection_precisions(detector, &samples, 3, Interpolation::AllPoint)));
    let fitted = fit.run(detector, &source, &training, 0, judge, &mut |_| ()).expect("learned");
    assert!(fitted.curve.score() > 0.9, "{:?}", fitted.curve);
}

#[test]
fn smooth_l1_is_round_below_one_and_straight_above() {
    let x = Tensor::<2>::from_floats([[0.0, 0.5, -1.0, -3.0]], &Device::flex());
    assert!((smooth_l1(x).into_scalar::<f32>() - (0.125 + 0.5 + 2.5)).abs() < 1e-6);
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::from_floats([[0.0, 0.5, -0.9, -3.0, 2.0]], &device).require_grad();
    let slope = x.grad(&smooth_l1(x.clone()).backward()).expect("tracked");
    let slope = slope.into_data().try_to_vec::<f32>().expect("f32");
    assert_eq!(slope, [0.0, 0.5, -0.9, -1.0, 1.0]);
}
