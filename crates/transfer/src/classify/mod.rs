//! Image classification: AlexNet's classifier on a pretrained encoder (paper, section 5.2.1).

mod dataset;
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
use context_encoder_data::{Purpose, Transform, pixel::images_to_tensor, rng_for};
use context_encoder_model::FeatureEncoder;
use context_encoder_train::Dropout;
use image::RgbImage;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{
    encoder::device_of,
    fit::Head,
    images::resize,
    init::{HIDDEN_PER_WIDTH, INIT_SAMPLES, LayerInit, he, normalize_outputs, spread},
    metric::Metrics,
    voc::Label,
};
pub use dataset::{Classification, LabeledDataset, LabeledImage, Resize};
pub(crate) use dataset::{labels, targets};

/// Standard deviation of fc8's initial weights (AlexNet).
const FC8_STD: f32 = 0.01;

/// Random crops over which an image's probabilities are averaged (paper, section 5.2.1).
const CROPS: usize = 10;

/// Side of the crops as a fraction of the shorter side (AlexNet: 227 of 256).
const CROP_FRACTION: f64 = 227.0 / 256.0;

/// Images evaluated at a time.
const BATCH: usize = 6;

/// AlexNet's fc6, fc7 and fc8 on pool5, dropout before fc7 and fc8.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::FeatureModelConfig;
/// use context_encoder_transfer::{Classification, Classifier};
///
/// let device = Device::flex();
/// let encoder = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&device)?.into_encoder();
/// let classifier = Classifier::new(encoder, 15, Classification::SingleLabel, 0);
/// assert_eq!(classifier.forward(Tensor::zeros([2, 3, 99, 99], &device)).dims(), [2, 15]);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
// Names of fields are names of tensors in files of weights.
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
    /// A classifier whose head is initialised from `seed`: He's initialisation, 0.01 for fc8. It lives on the
    /// encoder's device.
    pub fn new(encoder: FeatureEncoder, classes: usize, classification: Classification, seed: u64) -> Self {
        let config = encoder.config();
        let hidden = HIDDEN_PER_WIDTH * config.width;
        let features = 4 * config.width * config.map_side().pow(2);
        let device = device_of(&encoder);
        let mut init = LayerInit::new(seed, &device);
        Self {
            fc6: init.linear([features, hidden], he(features)),
            fc7: init.linear([hidden, hidden], he(hidden)),
            fc8: init.linear([hidden, classes], FC8_STD),
            encoder,
            classification,
        }
    }

    /// The shorter side to which images are resized before crops of `size` are cut from them: 256 for 227.
    pub fn shorter_side(size: usize) -> u32 {
        (size as f64 / CROP_FRACTION).round() as u32
    }

    /// Logits.
    ///
    /// # Shapes
    /// - input: `[batch, 3, size, size]` in `[-1, 1]`, of the encoder's size
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.logits(images, &mut Dropout::off())
    }

    fn logits(&self, images: Tensor<4>, dropout: &mut Dropout) -> Tensor<2> {
        let map = self.encoder.forward(images); // [batch, 256, 6, 6]
        let x = map.flatten::<2>(1, 3); // [batch, 9216]
        let x = dropout.apply(relu(self.fc6.forward(x))); // [batch, 4096]
        let x = dropout.apply(relu(self.fc7.forward(x))); // [batch, 4096]
        self.fc8.forward(x) // [batch, classes]
    }

    /// Probabilities: softmax over classes, or a sigmoid for each.
    ///
    /// # Shapes
    /// As for [`forward`](Self::forward).
    pub fn predict(&self, images: Tensor<4>) -> Tensor<2> {
        self.classification.probabilities(self.forward(images))
    }

    /// Cross entropy, averaged over images: of the softmax; or the sum over classes of each sigmoid's, where
    /// classes that are difficult in an image do not count.
    fn cross_entropy(&self, images: Tensor<4>, labels: &[&[Label]], dropout: &mut Dropout) -> Tensor<1> {
        let [targets, weights] = targets(labels, &images.device()); // [batch, classes] both
        let logits = self.logits(images, dropout); // [batch, classes]
        let terms = match self.classification {
            Classification::SingleLabel => (log_softmax(logits, 1) * targets).neg(),
            // -t ln s(x) - (1 - t) ln(1 - s(x)), safe for any x
            Classification::MultiLabel => {
                let correction = logits.clone().abs().neg().exp().log1p();
                (relu(logits.clone()) - logits * targets + correction) * weights
            }
        };
        terms.sum() / labels.len() as f32
    }

    fn crop(&self) -> Transform {
        let size = self.encoder.config().size;
        Transform::RandomCrop { resize: Self::shorter_side(size), size: size as u32 }
    }

    /// Each image's probabilities, averaged over [`CROPS`] crops that depend on the image's index alone.
    fn crop_averages(&self, images: &[(usize, &RgbImage)]) -> Vec<Vec<f32>> {
        let transform = self.crop();
        let crop = |number: usize| {
            let ((index, image), crop) = (images[number / CROPS], number % CROPS);
            let mut rng = rng_for(0, Purpose::Crop, u64::MAX, (index * CROPS + crop) as u64);
            transform.crop(image, &mut rng)
        };
        let crops: Vec<RgbImage> = (0..images.len() * CROPS).into_par_iter().map(crop).collect();
        let probabilities = self.predict(images_to_tensor(&crops, &device_of(self))); // [images * crops, classes]
        let [_, classes] = probabilities.dims();
        let values: Vec<f32> = probabilities
            .reshape([images.len(), CROPS, classes])
            .mean_dim(1) // [images, 1, classes]
            .into_data()
            .iter::<f32>()
            .collect();
        values.chunks(classes).map(<[f32]>::to_vec).collect()
    }
}

impl Head for Classifier {
    type Sample = LabeledImage;

    /// Cross entropy of random crops, flipped with probability 1/2.
    fn loss(&self, samples: Vec<(&LabeledImage, ChaCha8Rng)>, dropout: &mut Dropout) -> Tensor<1> {
        let transform = self.crop();
        let labels: Vec<&[Label]> = samples.iter().map(|(sample, _)| sample.labels.as_slice()).collect();
        let crop = |(sample, mut rng): (&LabeledImage, ChaCha8Rng)| transform.crop(&sample.image, &mut rng);
        let crops: Vec<RgbImage> = samples.into_par_iter().map(crop).collect();
        self.cross_entropy(images_to_tensor(&crops, &device_of(self)), &labels, dropout)
    }

    /// Accuracy or mean average precision of probabilities averaged over ten random crops of each image.
    fn evaluate(&self, samples: &[LabeledImage]) -> Metrics {
        let images: Vec<_> = samples.iter().map(|sample| &sample.image).enumerate().collect();
        let scores: Vec<Vec<f32>> =
            images.chunks(BATCH).flat_map(|images| self.crop_averages(images)).collect();
        self.classification.metrics(&scores, samples)
    }

    fn data_dependent_init(mut self, samples: &[LabeledImage]) -> Self {
        let side = self.encoder.config().size as u32;
        let images: Vec<RgbImage> =
            spread(samples, INIT_SAMPLES).map(|sample| resize(&sample.image, side, side)).collect();
        if images.is_empty() {
            return self;
        }
        let map = self.encoder.forward(images_to_tensor(&images, &device_of(&self)));
        let x = normalize_outputs(&mut self.fc6, map.flatten::<2>(1, 3));
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
