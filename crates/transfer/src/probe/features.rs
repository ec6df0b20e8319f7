//! Features of many images, and their inner products.

use burn::tensor::{Device, Tensor, module::adaptive_avg_pool2d};
use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::{FeatureEncoder, FeatureLayer};
use image::RgbImage;

use crate::classify::LabeledImage;

/// Larger maps are averaged down to this many values at most: pool5's of AlexNet, so that layers compare.
const MAX_FEATURES: usize = 9216;

/// Images computed at a time.
const BATCH: usize = 32;

/// Features with a smaller standard deviation count as constant.
const MIN_STD: f32 = 1e-6;

/// Features of images, `[images, dimension]`.
#[derive(Clone, Debug)]
pub(super) struct Features(pub(super) Tensor<2>);

impl Features {
    /// Features of an image.
    pub(super) fn dimension(&self) -> usize {
        self.0.dims()[1]
    }
}

/// The features of each layer, from one pass over the images, which are squares of the encoder's size.
pub(super) fn extract(
    encoder: &FeatureEncoder,
    samples: &[LabeledImage],
    layers: &[FeatureLayer],
    device: &Device,
) -> Vec<Features> {
    let mut rows: Vec<Vec<Tensor<2>>> = vec![Vec::new(); layers.len()];
    for samples in samples.chunks(BATCH) {
        let images: Vec<RgbImage> = samples.iter().map(|sample| sample.image.clone()).collect();
        let maps = encoder.maps(images_to_tensor(&images, device));
        for (layer, rows) in layers.iter().zip(&mut rows) {
            rows.push(flatten(maps[*layer as usize].clone()));
        }
    }
    rows.into_iter().map(|rows| Features(Tensor::cat(rows, 0))).collect()
}

/// Maps as rows, `[batch, channels * side * side]`, averaged down to as many positions as fit.
fn flatten(map: Tensor<4>) -> Tensor<2> {
    let [_, channels, side, _] = map.dims();
    let fits = (1..=side).rev().find(|side| channels * side * side <= MAX_FEATURES).unwrap_or(1);
    let map = if fits == side { map } else { adaptive_avg_pool2d(map, [fits, fits]) };
    map.flatten::<2>(1, 3)
}

/// Standardises both sets to mean 0 and variance 1 of every feature over the training set; features that are
/// constant there become 0.
fn standardize(train: Features, test: Features) -> [Tensor<2>; 2] {
    let mean = train.0.clone().mean_dim(0); // [1, dimension]
    let centered = train.0 - mean.clone();
    let std = centered.clone().powi_scalar(2).mean_dim(0).sqrt(); // [1, dimension]
    let varies = std.clone().greater_elem(MIN_STD).float();
    let scale = varies / std.clamp_min(MIN_STD);
    [centered * scale.clone(), (test.0 - mean) * scale]
}

/// Inner products of standardised features, divided by their dimension.
///
/// A linear classifier's weights are sums over the training images, `W = X^T A`, so that its output for an
/// image is a row of products times `A`. With fewer images than features this is by far the smaller problem,
/// and many classifiers can be trained on one matrix.
#[derive(Clone, Debug)]
pub(super) struct GramMatrix {
    /// Training images with training images: `[train, train]`.
    pub(super) train: Tensor<2>,
    /// Test images with training images: `[test, train]`.
    pub(super) test: Tensor<2>,
    /// Squared norms of the test images' features, divided likewise: `[test, 1]`.
    pub(super) test_squared_norms: Tensor<2>,
}

impl GramMatrix {
    /// Of features that are not standardised yet.
    pub(super) fn new(train: Features, test: Features) -> Self {
        let dimension = train.dimension() as f32;
        let [train, test] = standardize(train, test);
        let columns = train.clone().transpose() / dimension; // [dimension, train]
        Self {
            test_squared_norms: test.clone().powi_scalar(2).sum_dim(1) / dimension,
            test: test.matmul(columns.clone()),
            train: train.matmul(columns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_standardised_by_the_training_set() {
        let device = Device::flex();
        let features = |rows: [[f32; 3]; 2]| Features(Tensor::from_floats(rows, &device));
        let [train, test] = standardize(
            features([[1.0, 5.0, 2.0], [3.0, 5.0, -2.0]]),
            features([[2.0, 9.0, 4.0], [5.0, 5.0, 0.0]]),
        );
        let values = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(values(train), [-1.0, 0.0, 1.0, 1.0, 0.0, -1.0]);
        assert_eq!(values(test), [0.0, 0.0, 2.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn large_maps_are_averaged_down() {
        let device = Device::flex();
        assert_eq!(flatten(Tensor::ones([2, 48, 15, 15], &device)).dims(), [2, 48 * 13 * 13]);
        assert_eq!(flatten(Tensor::ones([2, 256, 6, 6], &device)).dims(), [2, 9216]);
    }
}
