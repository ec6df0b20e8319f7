//! What a picture shows: AlexNet's classifier on a pretrained encoder (paper, section 5.2.1).

mod crops;
mod dataset;
mod metrics;
#[cfg(test)]
mod tests;

use burn::{
    module::Module,
    nn::Linear,
    tensor::{
        Device, Tensor,
        activation::{log_softmax, relu, sigmoid, softmax},
    },
};
use context_encoder_model::FeatureEncoder;

use crate::{
    fit::{Dropout, Head},
    init::{LayerInit, he},
};
pub(crate) use crops::targets;
pub use crops::{CropSource, LabeledBatch};
pub use dataset::{LabeledDataset, Resize};
pub use metrics::{CROPS, Metrics};

/// Deviation of fc8's first weights (AlexNet).
const FC8_DEVIATION: f32 = 0.01;

/// Values of fc6 and fc7 for one unit of the encoder's width: 4096 at width 64.
pub(crate) const HIDDEN_PER_WIDTH: usize = 64;

/// What is asked of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Classification {
    /// Which one of the classes it is.
    #[default]
    SingleLabel,
    /// Which of the classes it shows: none, one or several.
    MultiLabel,
}

impl Classification {
    /// Probabilities from logits, `[batch, classes]` both.
    pub(crate) fn probabilities(self, logits: Tensor<2>) -> Tensor<2> {
        match self {
            Self::SingleLabel => softmax(logits, 1),
            Self::MultiLabel => sigmoid(logits),
        }
    }
}

/// AlexNet's fc6, fc7 and fc8 on pool5, dropout before fc7 and fc8.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::FeatureModelConfig;
/// use context_encoder_transfer::classify::{Classifier, Classification};
///
/// let device = Device::flex();
/// let encoder = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&device)?.into_encoder();
/// let classifier = Classifier::new(encoder, 15, Classification::SingleLabel, 0);
/// assert_eq!(classifier.forward(Tensor::zeros([2, 3, 99, 99], &device)).dims(), [2, 15]);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct Classifier {
    encoder: FeatureEncoder,
    fc6: Linear,
    fc7: Linear,
    fc8: Linear,
    #[module(skip)]
    classification: Classification,
}

impl Classifier {
    /// A classifier with a fresh head drawn from `seed`: He's initialisation, 0.01 for fc8. It lives on the
    /// encoder's device.
    pub fn new(encoder: FeatureEncoder, classes: usize, classification: Classification, seed: u64) -> Self {
        let config = encoder.config();
        let hidden = HIDDEN_PER_WIDTH * config.width;
        let features = 4 * config.width * config.map_side().pow(2);
        let device = device_of(&encoder);
        let mut draw = LayerInit::new(seed, &device);
        Self {
            fc6: draw.linear([features, hidden], he(features)),
            fc7: draw.linear([hidden, hidden], he(hidden)),
            fc8: draw.linear([hidden, classes], FC8_DEVIATION),
            encoder,
            classification,
        }
    }

    /// What is asked of pictures.
    pub fn classification(&self) -> Classification {
        self.classification
    }

    /// Logits.
    ///
    /// # Shapes
    /// - input: `[batch, 3, size, size]` in `[-1, 1]`, of the encoder's size
    /// - output: `[batch, classes]`
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.logits(pictures, &mut Dropout::none())
    }

    fn logits(&self, pictures: Tensor<4>, dropout: &mut Dropout) -> Tensor<2> {
        let map = self.encoder.forward(pictures); // [batch, 256, 6, 6]
        let x = map.flatten::<2>(1, 3); // [batch, 9216]
        let x = dropout.apply(relu(self.fc6.forward(x))); // [batch, 4096]
        let x = dropout.apply(relu(self.fc7.forward(x))); // [batch, 4096]
        self.fc8.forward(x) // [batch, classes]
    }

    /// Probabilities: softmax over classes, or a sigmoid for each.
    ///
    /// # Shapes
    /// As for [`forward`](Self::forward).
    pub fn predict(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.classification.probabilities(self.forward(pictures))
    }
}

impl Head for Classifier {
    type Batch = LabeledBatch;

    /// Cross entropy, averaged over pictures: of the softmax; or the sum over classes of each sigmoid's,
    /// where classes that are difficult in a picture do not count.
    fn loss(&self, batch: &LabeledBatch, dropout: &mut Dropout) -> Tensor<1> {
        let logits = self.logits(batch.pictures.clone(), dropout); // [batch, classes]
        let [pictures, _] = logits.dims();
        let targets = batch.targets.clone();
        let terms = match self.classification {
            Classification::SingleLabel => (log_softmax(logits, 1) * targets).neg(),
            // -t ln s(x) - (1 - t) ln(1 - s(x)), safe for any x
            Classification::MultiLabel => {
                let away = logits.clone().abs().neg().exp().log1p();
                (relu(logits.clone()) - logits * targets + away) * batch.counted.clone()
            }
        };
        terms.sum() / pictures as f32
    }

    fn encoder(&self) -> &FeatureEncoder {
        &self.encoder
    }

    fn with_encoder(self, encoder: FeatureEncoder) -> Self {
        Self { encoder, ..self }
    }
}

/// The device that a module lives on.
pub(crate) fn device_of(module: &impl Module) -> Device {
    module.devices().into_iter().next().unwrap_or_default()
}
