//! Object detection: Fast R-CNN on a pretrained encoder (paper, section 5.2.2; Girshick, ICCV 2015).

mod dataset;
mod proposals;
mod roi_pool;

use burn::{
    module::Module,
    nn::Linear,
    tensor::{
        Tensor,
        activation::{log_softmax, relu, softmax},
    },
};
use context_encoder_data::{Purpose, rng_for};
use context_encoder_model::{FeatureEncoder, FeatureLayer};
use context_encoder_train::Dropout;
use rand_chacha::ChaCha8Rng;

use crate::{
    boxes::{BoxDeltas, Detection, Rect, nms},
    encoder::device_of,
    fit::Head,
    init::{HIDDEN_PER_WIDTH, INIT_SAMPLES, LayerInit, he, normalize_outputs, spread},
    metric::{Metrics, detection_average_precision},
};
use dataset::DetectionBatch;
pub use dataset::DetectionSample;
use roi_pool::{SIDE, pad, roi_pool};

/// Standard deviations of the last layers' initial weights (Fast R-CNN).
const SCORE_STD: f32 = 0.01;
const BOX_STD: f32 = 0.001;

/// Boxes of one class that overlap more than this are one object (Fast R-CNN).
const NMS_IOU: f32 = 0.3;

/// Less probable boxes are dropped; at most so many stay of each class in an image.
const MIN_SCORE: f32 = 0.01;
const MAX_DETECTIONS: usize = 100;

/// Proposals computed at a time.
const BATCH: usize = 256;

/// Fast R-CNN: conv5's map pooled over proposals, fc6, fc7, then for each proposal a score for each class and
/// for background, and for each class the deltas that fit the proposal to the object.
// Names of fields are names of tensors in files of weights.
#[derive(Module, Debug)]
pub struct Detector {
    encoder: FeatureEncoder,
    fc6: Linear,
    fc7: Linear,
    score: Linear,
    boxes: Linear,
}

impl Detector {
    /// A detector of `classes` classes whose head is initialised from `seed`.
    pub fn new(encoder: FeatureEncoder, classes: usize, seed: u64) -> Self {
        let width = encoder.config().width;
        let features = 4 * width * SIDE * SIDE;
        let hidden = HIDDEN_PER_WIDTH * width;
        let device = device_of(&encoder);
        let mut init = LayerInit::new(seed, &device);
        Self {
            fc6: init.linear([features, hidden], he(features)),
            fc7: init.linear([hidden, hidden], he(hidden)),
            score: init.linear([hidden, classes + 1], SCORE_STD),
            boxes: init.linear([hidden, 4 * (classes + 1)], BOX_STD),
            encoder,
        }
    }

    /// Logits and deltas of regions of images whose conv5 has this map.
    ///
    /// # Shapes
    /// - `map`: `[batch, 4 width, n, m]`
    /// - `regions`: index of the image and box, in pixels
    /// - output: `[regions, classes + 1]`, class 0 being background, and `[regions, 4 (classes + 1)]`
    fn classify(
        &self,
        map: Tensor<4>,
        regions: &[(usize, Rect)],
        dropout: &mut Dropout,
    ) -> (Tensor<2>, Tensor<2>) {
        let x = roi_pool(map, regions).flatten::<2>(1, 3); // [regions, 9216]
        let x = dropout.apply(relu(self.fc6.forward(x))); // [regions, 4096]
        let x = dropout.apply(relu(self.fc7.forward(x))); // [regions, 4096]
        (self.score.forward(x.clone()), self.boxes.forward(x))
    }

    /// The objects found among a sample's proposals.
    pub fn detect(&self, sample: &DetectionSample) -> Vec<Detection> {
        if sample.proposals.is_empty() {
            return Vec::new();
        }
        let image = pad(&[&sample.image], &device_of(self));
        let map = self.encoder.map_at(image, FeatureLayer::Conv5); // [1, 256, n, m]
        let (width, height) = (sample.image.width() as f32, sample.image.height() as f32);
        let mut found: Vec<Vec<(Rect, f32)>> = Vec::new();
        for proposals in sample.proposals.chunks(BATCH) {
            let regions: Vec<(usize, Rect)> = proposals.iter().map(|&rect| (0, rect)).collect();
            let (logits, deltas) = self.classify(map.clone(), &regions, &mut Dropout::off());
            let [_, columns] = logits.dims();
            let scores: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
            let deltas: Vec<f32> = deltas.into_data().iter::<f32>().collect();
            found.resize(columns - 1, Vec::new());
            for (row, proposal) in proposals.iter().enumerate() {
                for (class, found) in found.iter_mut().enumerate() {
                    let at = row * columns + class + 1;
                    if scores[at] >= MIN_SCORE {
                        let deltas = BoxDeltas(std::array::from_fn(|i| deltas[4 * at + i]));
                        found.push((deltas.decode(proposal).clip(width, height), scores[at]));
                    }
                }
            }
        }
        postprocess(found)
    }
}

/// Non-maximum suppression of each class's boxes and scores.
fn postprocess(found: Vec<Vec<(Rect, f32)>>) -> Vec<Detection> {
    let suppress = |(class, found): (usize, Vec<(Rect, f32)>)| {
        let (rects, scores): (Vec<Rect>, Vec<f32>) = found.into_iter().unzip();
        let kept = nms(&rects, &scores, NMS_IOU, MAX_DETECTIONS);
        kept.into_iter().map(move |index| Detection { class, rect: rects[index], score: scores[index] })
    };
    found.into_iter().enumerate().flat_map(suppress).collect()
}

impl Head for Detector {
    type Sample = DetectionSample;

    /// Cross entropy of the classes plus, for regions that are not background, the smooth L1 distance of
    /// their class's deltas to the true ones; both averaged over all sampled regions (Fast R-CNN,
    /// equation 1 with lambda 1).
    fn loss(&self, samples: Vec<(&DetectionSample, ChaCha8Rng)>, dropout: &mut Dropout) -> Tensor<1> {
        let [_, columns] = self.score.weight.dims();
        let batch = DetectionBatch::new(samples, columns, &device_of(self));
        let map = self.encoder.map_at(batch.images, FeatureLayer::Conv5); // [batch, 256, n, m]
        let (logits, deltas) = self.classify(map, &batch.regions, dropout);
        let [regions, _] = logits.dims();
        let cross_entropy = (log_softmax(logits, 1) * batch.classes).sum().neg();
        let difference = (deltas - batch.deltas) * batch.weights; // [regions, 4 (classes + 1)]
        (cross_entropy + smooth_l1(difference)) / regions as f32
    }

    /// Mean average precision at an intersection over union of one half.
    fn evaluate(&self, samples: &[DetectionSample]) -> Metrics {
        let [_, columns] = self.score.weight.dims();
        let images: Vec<_> =
            samples.iter().map(|sample| (self.detect(sample), sample.objects.as_slice())).collect();
        Metrics::mean_over_classes(columns - 1, |class, interpolation| {
            detection_average_precision(&images, class, interpolation)
        })
    }

    fn data_dependent_init(mut self, samples: &[DetectionSample]) -> Self {
        if samples.is_empty() {
            return self;
        }
        let [_, columns] = self.score.weight.dims();
        let chosen = spread(samples, INIT_SAMPLES);
        let chosen = chosen
            .enumerate()
            .map(|(number, sample)| (sample, rng_for(0, Purpose::Crop, u64::MAX, number as u64)));
        let batch = DetectionBatch::new(chosen.collect(), columns, &device_of(&self));
        if batch.regions.is_empty() {
            return self;
        }
        let map = self.encoder.map_at(batch.images, FeatureLayer::Conv5);
        let x = roi_pool(map, &batch.regions).flatten::<2>(1, 3);
        let x = normalize_outputs(&mut self.fc6, x);
        normalize_outputs(&mut self.fc7, x);
        self
    }

    fn encoder(&self) -> &FeatureEncoder {
        &self.encoder
    }

    fn with_encoder(self, encoder: FeatureEncoder) -> Self {
        Self { encoder, ..self }
    }
}

/// The sum of `x^2 / 2` where `|x| < 1`, `|x| - 1/2` elsewhere.
fn smooth_l1(x: Tensor<2>) -> Tensor<1> {
    let size = x.abs();
    let small = size.clone().clamp_max(1.0); // |x| below 1, 1 elsewhere
    (small.clone().powi_scalar(2) * 0.5 + size - small).sum()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use context_encoder_model::FeatureModelConfig;

    use super::*;
    use crate::{Fit, voc::Voc};

    #[test]
    fn boxes_of_another_size_of_picture_are_an_error() {
        let folder = tempfile::tempdir().expect("folder");
        let voc = Voc::draw_shapes(folder.path(), 4, 1).expect("drawn");
        let path = voc.images().join("000001.jpg");
        let image = image::open(&path).expect("drawn").to_rgb8();
        image::imageops::resize(&image, 90, 80, image::imageops::FilterType::Nearest)
            .save(&path)
            .expect("saved");
        let error =
            DetectionSample::from_voc(&voc, "trainval", 160, None, 60).expect_err("shrunk").to_string();
        assert!(error.contains("000001.xml") && error.contains("which is 90x80"), "{error}");
    }

    #[test]
    fn hidden_layers_see_regions_with_deviation_one_after_initialisation() {
        let folder = tempfile::tempdir().expect("folder");
        let voc = Voc::draw_shapes(folder.path(), 4, 1).expect("drawn");
        let samples = DetectionSample::from_voc(&voc, "trainval", 160, None, 60).expect("read");
        let config = FeatureModelConfig::alexnet().with_width(4);
        let encoder = config.init_seeded(2, &Device::flex().autodiff()).expect("valid").into_encoder();
        let detector = Detector::new(encoder, 3, 0);
        let spread = |detector: &Detector| -> f32 {
            let image = pad(&[&samples[0].image], &device_of(detector));
            let map = detector.encoder.map_at(image, FeatureLayer::Conv5);
            let regions: Vec<(usize, Rect)> = samples[0].proposals.iter().map(|&rect| (0, rect)).collect();
            let outputs = detector.fc6.forward(roi_pool(map, &regions).flatten::<2>(1, 3));
            outputs.var(0).sqrt().mean().into_scalar()
        };
        let before = spread(&detector);
        let after = spread(&detector.clone().data_dependent_init(&samples));
        assert!((0.5..1.5).contains(&after) && !(0.5..1.5).contains(&before), "{before}, {after}");
        let without = DetectionSample { proposals: vec![], objects: vec![], ..samples[0].clone() };
        assert_eq!(
            spread(&detector.clone().data_dependent_init(&[without])),
            before,
            "no regions, no change"
        );
        assert_eq!(spread(&detector.data_dependent_init(&[])), before, "no samples, no change");
    }

    #[test]
    fn few_images_are_memorised() {
        let folder = tempfile::tempdir().expect("folder");
        let voc = Voc::draw_shapes(folder.path(), 6, 1).expect("drawn");
        let samples = DetectionSample::from_voc(&voc, "trainval", 160, None, 60).expect("read");
        let config = FeatureModelConfig::alexnet().with_width(8);
        let encoder = config.init_seeded(2, &Device::flex().autodiff()).expect("valid").into_encoder();
        let detector = Detector::new(encoder, 3, 0);
        let fit = Fit { steps: 200, batch_size: 2, lr: 1e-3, ..Fit::default() };
        let fitted = fit.run(detector, &samples, &samples, &mut |_| ()).expect("trained");
        assert!(fitted.metrics.score() > 0.9, "{:?}", fitted.curve);
    }

    #[test]
    fn smooth_l1_is_quadratic_below_one_and_linear_above() {
        let x = Tensor::<2>::from_floats([[0.0, 0.5, -1.0, -3.0]], &Device::flex());
        assert!((smooth_l1(x).into_scalar::<f32>() - (0.125 + 0.5 + 2.5)).abs() < 1e-6);
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_floats([[0.0, 0.5, -0.9, -3.0, 2.0]], &device).require_grad();
        let gradient = x.grad(&smooth_l1(x.clone()).backward()).expect("tracked");
        let gradient = gradient.into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(gradient, [0.0, 0.5, -0.9, -1.0, 1.0]);
    }
}
