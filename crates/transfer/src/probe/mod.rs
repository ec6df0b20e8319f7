//! Probes of frozen features: a linear classifier and nearest neighbours on each layer.

mod classifiers;

use burn::{
    module::Module,
    tensor::{Device, Tensor, module::adaptive_avg_pool2d},
};
use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::{FeatureEncoder, FeatureLayer};
use image::RgbImage;

use crate::{
    TransferError,
    classify::{Classification, LabeledDataset, LabeledImage, labels},
    metric::Metrics,
};
use classifiers::{GramMatrix, k_nearest_neighbours, logistic_regression};

/// Larger maps are averaged down to this many values at most: pool5's of AlexNet, so that layers compare.
const MAX_FEATURES: usize = 9216;

/// Images computed at a time.
const BATCH: usize = 32;

/// What the frozen features of one layer are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The layer.
    pub layer: FeatureLayer,
    /// Features of an image.
    pub dimension: usize,
    /// Metrics of a linear classifier.
    pub linear: Metrics,
    /// The weight decay that it was trained with, chosen on every fifth image of the training set.
    pub weight_decay: f64,
    /// Metrics of the ten nearest neighbours.
    pub neighbours: Metrics,
}

/// Probes layers of an encoder on squares of its size: features of both sets are computed once, standardised
/// by the training set, and classified by logistic regression (as in Zhang et al., ECCV 2016) and by nearest
/// neighbours.
///
/// # Errors
/// [`TransferError::Settings`] when the sets have different classes.
pub fn probe(
    encoder: &FeatureEncoder,
    [train, test]: [&LabeledDataset; 2],
    classification: Classification,
    layers: &[FeatureLayer],
    device: &Device,
) -> Result<Vec<Probe>, TransferError> {
    train.expect_classes_of(test)?;
    let encoder = encoder.clone().to_device(device);
    let [train_features, test_features] =
        [train, test].map(|dataset| extract(&encoder, &dataset.samples, layers, device));
    let labels = labels(&train.samples);
    let probe = |((layer, train_features), test_features): ((FeatureLayer, Tensor<2>), Tensor<2>)| {
        let [_, dimension] = train_features.dims();
        let gram = GramMatrix::new(train_features, test_features);
        let (scores, weight_decay) = logistic_regression(&gram, &labels, classification);
        let linear = classification.metrics(&scores, &test.samples);
        let neighbours = classification.metrics(&k_nearest_neighbours(&gram, &labels), &test.samples);
        Probe { layer, dimension, linear, weight_decay, neighbours }
    };
    Ok(layers.iter().copied().zip(train_features).zip(test_features).map(probe).collect())
}

/// The features of each layer, from one pass over the images, which are squares of the encoder's size.
fn extract(
    encoder: &FeatureEncoder,
    samples: &[LabeledImage],
    layers: &[FeatureLayer],
    device: &Device,
) -> Vec<Tensor<2>> {
    let mut rows: Vec<Vec<Tensor<2>>> = vec![Vec::new(); layers.len()];
    for samples in samples.chunks(BATCH) {
        let images: Vec<RgbImage> = samples.iter().map(|sample| sample.image.clone()).collect();
        let maps = encoder.maps(images_to_tensor(&images, device));
        for (layer, rows) in layers.iter().zip(&mut rows) {
            rows.push(flatten(maps[*layer as usize].clone()));
        }
    }
    rows.into_iter().map(|rows| Tensor::cat(rows, 0)).collect()
}

/// Maps as rows, `[batch, channels * side * side]`, averaged down to as many positions as fit.
fn flatten(map: Tensor<4>) -> Tensor<2> {
    let [_, channels, side, _] = map.dims();
    let fits = (1..=side).rev().find(|side| channels * side * side <= MAX_FEATURES).unwrap_or(1);
    let map = if fits == side { map } else { adaptive_avg_pool2d(map, [fits, fits]) };
    map.flatten::<2>(1, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_maps_are_averaged_down() {
        let device = Device::flex();
        assert_eq!(flatten(Tensor::ones([2, 48, 15, 15], &device)).dims(), [2, 48 * 13 * 13]);
        assert_eq!(flatten(Tensor::ones([2, 256, 6, 6], &device)).dims(), [2, 9216]);
    }
}
