//! RoI pooling: max pooling of regions of any size into maps of one size (Fast R-CNN, section 2.1).

use burn::tensor::{Device, Int, Tensor, TensorData};
use image::RgbImage;
use rayon::prelude::*;

use crate::{
    boxes::Rect,
    images::{max_size, pad_and_stack},
};

/// Side of the output (AlexNet's pool5).
pub(super) const SIDE: usize = 6;

/// Pixels from one position of conv5 to the next, and from the picture's border to the centre of the first
/// (conv1 11x11 stride 4 and two poolings 3x3 stride 2, without padding: 5 + 4 + 8).
const STRIDE: u32 = 16;
const FIRST: u32 = 17;

/// A padded image whose conv5 has `n` positions has `STRIDE (n - 1) + REST` pixels a side, none left over.
const REST: u32 = 35;

/// Images padded so that position `i` of conv5 has its centre at pixel `16 i`, and every pixel lies within 8
/// of one, `[batch, 3, padded height, padded width]` in `[-1, 1]`.
pub(super) fn pad(images: &[&RgbImage], device: &Device) -> Tensor<4> {
    let padded = |side: u32| REST + STRIDE * side.saturating_sub(STRIDE / 2).div_ceil(STRIDE);
    pad_and_stack(images, [FIRST; 2], max_size(images).map(padded), device)
}

/// The maximum of each of 6x6 bins of each region, channel by channel. Bins overlap by a position where a
/// region's positions cannot be divided evenly; a region that falls between positions gets the nearest.
/// Gradients go to the positions of the maxima.
///
/// The positions of the maxima are found on the host, so the map is read from its device once; the output is
/// gathered on the device.
///
/// # Shapes
/// - `map`: `[batch, channels, height, width]`, conv5 of images that [`pad`] has padded
/// - `regions`: index of the image and box, in pixels of the images
/// - output: `[regions, channels, 6, 6]`
///
/// # Panics
/// When a region names an image that the batch does not have.
pub(super) fn roi_pool(map: Tensor<4>, regions: &[(usize, Rect)]) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let values: Vec<f32> = map.clone().detach().into_data().iter::<f32>().collect();
    let positions = height * width;
    let pool = |&(image, rect): &(usize, Rect)| -> Vec<i64> {
        assert!(image < batch, "a region of image {image} in a batch of {batch}");
        let rows = bins(rect.top, rect.bottom, height);
        let columns = bins(rect.left, rect.right, width);
        let mut maxima = Vec::with_capacity(channels * SIDE * SIDE);
        for channel in 0..channels {
            let first = (image * channels + channel) * positions;
            for row in &rows {
                for column in &columns {
                    let inside = row.clone().flat_map(|y| column.clone().map(move |x| y * width + x));
                    let best = inside.fold(None, |best: Option<usize>, at| match best {
                        Some(best) if values[first + best] >= values[first + at] => Some(best),
                        _ => Some(at),
                    });
                    maxima.push((first + best.unwrap_or(0)) as i64);
                }
            }
        }
        maxima
    };
    let maxima: Vec<i64> = regions.par_iter().flat_map_iter(pool).collect();
    let count = maxima.len();
    let maxima = Tensor::<1, Int>::from_data(TensorData::new(maxima, [count]), &map.device());
    map.reshape([batch * channels * positions]).select(0, maxima).reshape([
        regions.len(),
        channels,
        SIDE,
        SIDE,
    ])
}

/// The positions in each of six bins of a range of pixels; none is empty.
fn bins(from: f32, to: f32, positions: usize) -> [std::ops::Range<usize>; SIDE] {
    let last = positions - 1;
    let nearest = |pixel: f32| ((pixel / STRIDE as f32).round().max(0.0) as usize).min(last);
    let start = nearest(from);
    let end = nearest(to - 1.0).max(start) + 1;
    let length = end - start;
    std::array::from_fn(|bin| {
        let first = start + bin * length / SIDE;
        let after = start + ((bin + 1) * length).div_ceil(SIDE);
        first..after.max(first + 1)
    })
}

#[cfg(test)]
mod tests {
    use context_encoder_model::{FeatureLayer, FeatureModelConfig};

    use super::*;

    #[test]
    fn bins_cover_the_positions_of_a_region() {
        // positions 0 to 11, each with two in its bin
        assert_eq!(bins(0.0, 184.0, 13), [0..2, 2..4, 4..6, 6..8, 8..10, 10..12]);
        // five for six bins: neighbours overlap
        assert_eq!(bins(24.0, 90.0, 13), [2..3, 2..4, 3..5, 4..6, 5..7, 6..7]);
        // none, beyond the last: the last
        assert_eq!(bins(500.0, 502.0, 13), [12..13, 12..13, 12..13, 12..13, 12..13, 12..13]);
        assert_eq!(bins(0.0, 8.0, 13)[0], 0..1);
    }

    #[test]
    fn every_pixel_lies_beside_a_position() {
        let device = Device::flex();
        let encoder =
            FeatureModelConfig::alexnet().with_width(4).init(&device).expect("valid").into_encoder();
        for (width, height, columns, rows) in [(224, 300, 15, 20), (152, 153, 10, 11)] {
            let image = RgbImage::new(width, height);
            let map = encoder.map_at(pad(&[&image], &device), FeatureLayer::Conv5);
            assert_eq!(map.dims(), [1, 16, rows, columns]);
            assert!(STRIDE * (columns as u32 - 1) + STRIDE / 2 >= width);
        }
    }

    #[test]
    fn maxima_are_pooled_and_get_the_gradient() {
        let device = Device::flex().autodiff();
        let values: Vec<f32> = (0..2 * 12 * 12).map(|i| (i * 37 % 289) as f32).collect();
        let map = Tensor::<1>::from_floats(values.as_slice(), &device).reshape([1, 2, 12, 12]).require_grad();
        let whole = Rect::new(0.0, 0.0, 184.0, 184.0);
        let pooled = roi_pool(map.clone(), &[(0, whole), (0, whole)]);
        assert_eq!(pooled.dims(), [2, 2, 6, 6]);
        let maxima = pooled.clone().into_data().try_to_vec::<f32>().expect("f32");
        let at = |c: usize, y: usize, x: usize| values[c * 144 + y * 12 + x];
        for (i, value) in maxima.iter().enumerate() {
            let (c, y, x) = (i / 36 % 2, i / 6 % 6 * 2, i % 6 * 2);
            let expected = at(c, y, x).max(at(c, y, x + 1)).max(at(c, y + 1, x)).max(at(c, y + 1, x + 1));
            assert_eq!(*value, expected);
        }
        // two regions: maxima get two, the rest nothing
        let gradient = map.grad(&pooled.sum().backward()).expect("tracked").into_data();
        let gradient = gradient.try_to_vec::<f32>().expect("f32");
        assert_eq!(gradient.iter().sum::<f32>(), 2.0 * 72.0);
        assert!(gradient.iter().all(|&g| g == 0.0 || g == 2.0));
    }
}
