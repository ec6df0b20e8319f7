//! The segmenter as a whole.

use burn::tensor::{Device, Tensor};
use context_encoder_model::FeatureModelConfig;
use image::RgbImage;

use super::*;
use crate::{
    Fit, Source,
    voc::{Voc, tiny},
};

fn encoder(width: usize, device: &Device) -> FeatureEncoder {
    let config = FeatureModelConfig::alexnet().with_width(width);
    Source::Random { config, seed: 2 }.load(device).expect("encoder")
}

#[test]
fn pictures_of_any_size_are_labelled_at_every_stride() {
    let device = Device::flex();
    let pictures = [RgbImage::new(40, 33), RgbImage::new(1, 70)];
    let pictures: Vec<&RgbImage> = pictures.iter().collect();
    for stride in [Stride::S32, Stride::S16, Stride::S8] {
        let config = SegmenterConfig { labels: 4, stride, reach: 3 };
        let segmenter = Segmenter::new(encoder(4, &device), config, 0);
        let frame = PaddedFrame::around(&pictures);
        let logits = segmenter.forward(frame.pad(&pictures, &device), frame);
        assert_eq!(logits.dims(), [2, 4, 70, 40]);
        let labels = segmenter.labels(&pictures);
        assert_eq!([labels[0].len(), labels[1].len()], [40 * 33, 70]);
    }
}

#[test]
fn pixels_that_do_not_count_have_no_say() {
    let device = Device::flex();
    let segmenter =
        Segmenter::new(encoder(4, &device), SegmenterConfig { reach: 1, ..SegmenterConfig::new(4) }, 0);
    let picture = RgbImage::new(8, 4);
    let frame = PaddedFrame::around(&[&picture]);
    let batch = |counted: Tensor<4>| SegmentationBatch {
        canvases: frame.pad(&[&picture], &device),
        frame,
        labels: Tensor::zeros([1, 1, 4, 8], &device),
        counted,
    };
    // Scores begin as zeros, so every label has a quarter.
    let half = Tensor::ones([1, 1, 4, 8], &device).slice_fill([0..1, 0..1, 0..2, 0..8], 0.0);
    let loss = segmenter.loss(&batch(half), &mut Dropout::none()).into_scalar::<f32>();
    assert!((loss - 4.0_f32.ln()).abs() < 1e-6, "{loss}");
    assert_eq!(
        segmenter
            .loss(&batch(Tensor::zeros([1, 1, 4, 8], &device)), &mut Dropout::none())
            .into_scalar::<f32>(),
        0.0
    );
}

#[test]
fn the_tiny_devkit_is_memorised() {
    let folder = tempfile::tempdir().expect("folder");
    tiny::draw(folder.path(), 6, 1).expect("drawn");
    let voc = Voc::open(folder.path()).expect("opened");
    let pictures = SegmentationSample::from_voc(&voc, "trainval").expect("read");
    let training = Device::flex().autodiff();
    let config = SegmenterConfig { stride: Stride::S8, reach: 3, ..SegmenterConfig::new(4) };
    let segmenter = Segmenter::new(encoder(8, &training), config, 0);
    let fit = Fit { steps: 250, batch_size: 4, lr: 2e-3, ..Fit::default() };
    let judge = |segmenter: &Segmenter| Ok(segmenter.examine(&pictures, 4)?.mean_iu());
    let source = SegmentationSource { pictures: &pictures };
    let fitted = fit.run(segmenter, &source, &training, 0, judge, &mut |_| ()).expect("learned");
    assert!(fitted.curve.score() > 0.9, "{:?}", fitted.curve);
}
