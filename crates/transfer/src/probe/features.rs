//! Features of many pictures, a row each.

use burn::tensor::{Device, Tensor, module::adaptive_avg_pool2d};
use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::{FeatureEncoder, FeatureLayer};
use image::RgbImage;

/// Maps with more numbers are averaged down to this many at most: pool5's of AlexNet, so that layers compare.
pub const MAX_FEATURES: usize = 9216;

/// Pictures computed at a time.
const BATCH: usize = 32;

/// Below this deviation a feature says nothing.
const LEAST_DEVIATION: f32 = 1e-6;

/// Features of pictures.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[pictures, numbers]`.
    pub rows: Tensor<2>,
}

impl Features {
    /// Numbers a picture.
    pub fn numbers(&self) -> usize {
        self.rows.dims()[1]
    }

    /// Both with mean 0 and variance 1 of every number over the first one's pictures; numbers that are
    /// constant there become 0.
    pub fn standardize(known: Self, asked: Self) -> [Tensor<2>; 2] {
        let mean = known.rows.clone().mean_dim(0); // [1, numbers]
        let centred = known.rows - mean.clone();
        let deviation = centred.clone().powi_scalar(2).mean_dim(0).sqrt(); // [1, numbers]
        let says = deviation.clone().greater_elem(LEAST_DEVIATION).float();
        let scale = says / deviation.clamp_min(LEAST_DEVIATION);
        [centred * scale.clone(), (asked.rows - mean) * scale]
    }
}

/// The features of each layer, from one pass over the pictures, which are squares of the encoder's size.
pub(super) fn of(
    encoder: &FeatureEncoder,
    pictures: &[RgbImage],
    layers: &[FeatureLayer],
    device: &Device,
) -> Vec<Features> {
    let mut rows: Vec<Vec<Tensor<2>>> = vec![Vec::new(); layers.len()];
    for pictures in pictures.chunks(BATCH) {
        let maps = encoder.maps(images_to_tensor(pictures, device));
        for (layer, rows) in layers.iter().zip(&mut rows) {
            rows.push(row(maps[*layer as usize].clone()));
        }
    }
    rows.into_iter().map(|rows| Features { rows: Tensor::cat(rows, 0) }).collect()
}

/// A map as numbers, averaged down to as many positions as fit.
fn row(map: Tensor<4>) -> Tensor<2> {
    let [_, channels, side, _] = map.dims();
    let fits = (1..=side).rev().find(|side| channels * side * side <= MAX_FEATURES).unwrap_or(1);
    let map = if fits == side { map } else { adaptive_avg_pool2d(map, [fits, fits]) };
    map.flatten::<2>(1, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_standardised_by_the_known_pictures() {
        let device = Device::flex();
        let features = |rows: [[f32; 3]; 2]| Features { rows: Tensor::from_floats(rows, &device) };
        let [known, asked] = Features::standardize(
            features([[1.0, 5.0, 2.0], [3.0, 5.0, -2.0]]),
            features([[2.0, 9.0, 4.0], [5.0, 5.0, 0.0]]),
        );
        let values = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(values(known), [-1.0, 0.0, 1.0, 1.0, 0.0, -1.0]);
        assert_eq!(values(asked), [0.0, 0.0, 2.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn large_maps_are_averaged_down() {
        let device = Device::flex();
        assert_eq!(row(Tensor::ones([2, 48, 15, 15], &device)).dims(), [2, 48 * 13 * 13]);
        assert_eq!(row(Tensor::ones([2, 256, 6, 6], &device)).dims(), [2, 9216]);
    }
}
