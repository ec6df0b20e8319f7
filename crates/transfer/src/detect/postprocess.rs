//! What a detector finds, and how good that is.

use burn::tensor::activation::softmax;
use context_encoder_data::pixel::images_to_tensor;

use super::{BoxDeltas, DetectionSample, Detector, nms};
use crate::{
    Rect,
    classify::device_of,
    metric::{Detection, Interpolation, Truth, detection_precision},
};

/// Boxes of one class that overlap more than this are one object (Fast R-CNN).
const OVERLAP: f32 = 0.3;

/// Boxes less probable than this are not worth a look; at most so many stay of each class in a picture.
const LEAST: f32 = 0.01;
const MOST: usize = 100;

/// Regions computed at a time.
const BATCH: usize = 256;

/// An object that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Number of its class, from 0.
    pub class: usize,
    /// Where.
    pub rect: Rect,
    /// Probability, 0 to 1.
    pub score: f32,
}

impl Detector {
    /// What is in a sample, by its proposals: each class's boxes, refined, clipped to the picture, with those
    /// suppressed that overlap a better one of their class.
    pub fn find(&self, sample: &DetectionSample) -> Vec<Found> {
        let device = device_of(self);
        let picture = images_to_tensor(std::slice::from_ref(&sample.picture), &device);
        let (width, height) = (sample.picture.width() as f32, sample.picture.height() as f32);
        let mut boxes: Vec<Vec<(Rect, f32)>> = Vec::new();
        for proposals in sample.proposals.chunks(BATCH) {
            let regions: Vec<(usize, Rect)> = proposals.iter().map(|&rect| (0, rect)).collect();
            let (logits, deltas) = self.forward(picture.clone(), &regions);
            let [_, columns] = logits.dims();
            let scores: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
            let deltas: Vec<f32> = deltas.into_data().iter::<f32>().collect();
            boxes.resize(columns - 1, Vec::new());
            for (row, rect) in proposals.iter().enumerate() {
                for (class, boxes) in boxes.iter_mut().enumerate() {
                    let at = row * columns + class + 1;
                    if scores[at] >= LEAST {
                        let change = BoxDeltas(std::array::from_fn(|i| deltas[4 * at + i]));
                        boxes.push((change.apply(rect).clipped(width, height), scores[at]));
                    }
                }
            }
        }
        let keep = |(class, boxes): (usize, Vec<(Rect, f32)>)| {
            let (rects, scores): (Vec<Rect>, Vec<f32>) = boxes.into_iter().unzip();
            let kept = nms(&rects, &scores, OVERLAP, MOST);
            kept.into_iter().map(move |index| Found { class, rect: rects[index], score: scores[index] })
        };
        boxes.into_iter().enumerate().flat_map(keep).collect()
    }
}

/// Each class's average precision over samples; not a number where there is nothing to find.
pub fn detection_precisions(
    detector: &Detector,
    samples: &[DetectionSample],
    classes: usize,
    how: Interpolation,
) -> Vec<f64> {
    let mut found: Vec<Vec<Detection>> = vec![Vec::new(); classes];
    let mut truths: Vec<Vec<Truth>> = vec![Vec::new(); classes];
    for (picture, sample) in samples.iter().enumerate() {
        for Found { class, rect, score } in detector.find(sample) {
            found[class].push(Detection { picture, rect, score });
        }
        for object in &sample.objects {
            truths[object.class].push(Truth { picture, rect: object.rect, difficult: object.difficult });
        }
    }
    found.iter().zip(&truths).map(|(found, truths)| detection_precision(found, truths, how)).collect()
}
