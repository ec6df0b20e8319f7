//! How well classes are told, by a classifier or by any scores.

use burn::tensor::Device;
use context_encoder_data::{Purpose, Transform, pixel::images_to_tensor, rng_for};
use image::RgbImage;
use rayon::prelude::*;

use super::{Classification, Classifier, LabeledDataset, device_of};
use crate::metric::{Interpolation, accuracy, average_precision, mean};

/// Random crops over which a picture's scores are averaged (paper, section 5.2.1).
pub const CROPS: usize = 10;

/// Pictures scored at a time.
const BATCH: usize = 6;

/// How well classes are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metrics {
    /// The share of pictures whose most probable class is right, 0 to 1.
    Accuracy(f64),
    /// Mean average precision over classes, as in VOC 2007 and as in VOC 2010 and later.
    MeanAveragePrecision {
        /// Of eleven points.
        eleven_point: f64,
        /// Of all points.
        all_point: f64,
    },
}

impl Metrics {
    /// Judges `scores[picture][class]`.
    ///
    /// # Panics
    /// When there are not as many rows as pictures.
    pub fn of(scores: &[Vec<f32>], dataset: &LabeledDataset, classification: Classification) -> Self {
        assert_eq!(scores.len(), dataset.len(), "each picture has its scores");
        match classification {
            Classification::SingleLabel => {
                let best = |row: &Vec<f32>| {
                    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class)
                };
                Self::Accuracy(accuracy(&scores.iter().map(best).collect::<Vec<_>>(), &dataset.labels()))
            }
            Classification::MultiLabel => {
                let of = |how| {
                    let class = |class: usize| {
                        let ranking: Vec<_> = scores
                            .iter()
                            .zip(&dataset.labels)
                            .map(|(scores, labels)| (scores[class], labels[class].into()))
                            .collect();
                        let positives = ranking
                            .iter()
                            .filter(|(_, kind)| *kind == crate::metric::Relevance::Positive)
                            .count();
                        average_precision(&ranking, positives, how)
                    };
                    mean(&(0..dataset.classes.len()).map(class).collect::<Vec<_>>())
                };
                Self::MeanAveragePrecision {
                    eleven_point: of(Interpolation::ElevenPoint),
                    all_point: of(Interpolation::AllPoint),
                }
            }
        }
    }

    /// Judges a classifier by its probabilities, averaged over [`CROPS`] random crops of each picture. The
    /// crops depend on the picture's number alone.
    pub fn evaluate(classifier: &Classifier, dataset: &LabeledDataset, view: Transform) -> Self {
        let device = device_of(classifier);
        let scores: Vec<Vec<f32>> = (0..dataset.len())
            .collect::<Vec<_>>()
            .chunks(BATCH)
            .flat_map(|indices| score(classifier, dataset, view, indices, &device))
            .collect();
        Self::of(&scores, dataset, classifier.classification())
    }

    /// The one number that tables show: accuracy, or eleven-point precision.
    pub fn score(&self) -> f64 {
        match *self {
            Self::Accuracy(share) => share,
            Self::MeanAveragePrecision { eleven_point, .. } => eleven_point,
        }
    }
}

fn score(
    classifier: &Classifier,
    dataset: &LabeledDataset,
    view: Transform,
    indices: &[usize],
    device: &Device,
) -> Vec<Vec<f32>> {
    let crop = |number: usize| {
        let (index, crop) = (indices[number / CROPS], number % CROPS);
        let mut rng = rng_for(0, Purpose::Crop, u64::MAX, (index * CROPS + crop) as u64);
        view.crop(&dataset.pictures[index], &mut rng)
    };
    let crops: Vec<RgbImage> = (0..indices.len() * CROPS).into_par_iter().map(crop).collect();
    let probabilities = classifier.predict(images_to_tensor(&crops, device)); // [pictures * crops, classes]
    let classes = dataset.classes.len();
    let values: Vec<f32> = probabilities
        .reshape([indices.len(), CROPS, classes])
        .mean_dim(1) // [pictures, 1, classes]
        .into_data()
        .iter::<f32>()
        .collect();
    values.chunks(classes).map(<[f32]>::to_vec).collect()
}
