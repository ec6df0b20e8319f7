//! What is where: Fast R-CNN on a pretrained encoder (paper, section 5.2.2; Girshick, ICCV 2015).

mod box_deltas;
mod dataset;
mod nms;
mod postprocess;
pub mod proposals;
mod roi_pool;
mod sampling;
#[cfg(test)]
mod tests;

use burn::{
    module::Module,
    nn::Linear,
    tensor::{
        Tensor,
        activation::{log_softmax, relu},
    },
};
use context_encoder_model::{FeatureEncoder, FeatureLayer};

use crate::{
    Rect,
    classify::{HIDDEN_PER_WIDTH, device_of},
    fit::{Dropout, Head},
    init::{LayerInit, he},
};
pub use box_deltas::BoxDeltas;
pub use dataset::{DetectionBatch, DetectionSample, DetectionSource};
pub use nms::nms;
pub use postprocess::{Found, detection_precisions};
pub use roi_pool::{SIDE, roi_pool};
pub use sampling::{Region, Sampling};

/// Deviations of the last layers' first weights (Fast R-CNN).
const SCORE_DEVIATION: f32 = 0.01;
const BOX_DEVIATION: f32 = 0.001;

/// Conv5's map over proposed regions: fc6, fc7, then for each region a score for each class and for
/// background, and for each class how the region must change to fit.
#[derive(Module, Debug)]
pub struct Detector {
    encoder: FeatureEncoder,
    fc6: Linear,
    fc7: Linear,
    score: Linear,
    boxes: Linear,
}

impl Detector {
    /// A detector of `classes` classes with a fresh head drawn from `seed`.
    pub fn new(encoder: FeatureEncoder, classes: usize, seed: u64) -> Self {
        let width = encoder.config().width;
        let features = 4 * width * SIDE * SIDE;
        let hidden = HIDDEN_PER_WIDTH * width;
        let device = device_of(&encoder);
        let mut draw = LayerInit::new(seed, &device);
        Self {
            fc6: draw.linear([features, hidden], he(features)),
            fc7: draw.linear([hidden, hidden], he(hidden)),
            score: draw.linear([hidden, classes + 1], SCORE_DEVIATION),
            boxes: draw.linear([hidden, 4 * (classes + 1)], BOX_DEVIATION),
            encoder,
        }
    }

    /// Logits and deltas of regions.
    ///
    /// # Shapes
    /// - `pictures`: `[batch, 3, height, width]` in `[-1, 1]`
    /// - `regions`: picture and place, in pixels
    /// - output: `[regions, classes + 1]`, class 0 being background, and `[regions, 4 (classes + 1)]`
    pub fn forward(&self, pictures: Tensor<4>, regions: &[(usize, Rect)]) -> (Tensor<2>, Tensor<2>) {
        self.answer(pictures, regions, &mut Dropout::none())
    }

    fn answer(
        &self,
        pictures: Tensor<4>,
        regions: &[(usize, Rect)],
        dropout: &mut Dropout,
    ) -> (Tensor<2>, Tensor<2>) {
        let map = self.encoder.map_at(pictures, FeatureLayer::Conv5); // [batch, 256, n, m]
        let x = roi_pool(map, regions).flatten::<2>(1, 3); // [regions, 9216]
        let x = dropout.apply(relu(self.fc6.forward(x))); // [regions, 4096]
        let x = dropout.apply(relu(self.fc7.forward(x))); // [regions, 4096]
        (self.score.forward(x.clone()), self.boxes.forward(x))
    }
}

impl Head for Detector {
    type Batch = DetectionBatch;

    /// Cross entropy of the classes plus, for regions that are no background, the smooth L1 distance of their
    /// class's deltas to the true ones; both averaged over all sampled regions (Fast R-CNN, equation 1
    /// with lambda 1).
    fn loss(&self, batch: &DetectionBatch, dropout: &mut Dropout) -> Tensor<1> {
        let (logits, boxes) = self.answer(batch.pictures.clone(), &batch.regions, dropout);
        let [regions, _] = logits.dims();
        let classes = (log_softmax(logits, 1) * batch.classes.clone()).sum().neg();
        let apart = (boxes - batch.deltas.clone()) * batch.weights.clone(); // [regions, 4 (classes + 1)]
        (classes + smooth_l1(apart)) / regions as f32
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
    let small = size.clone().clamp_max(1.0); // x below 1, 1 elsewhere
    (small.clone().powi_scalar(2) * 0.5 + size - small).sum()
}
