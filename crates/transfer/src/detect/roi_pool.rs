//! Max pooling of regions of any size into maps of one size.

use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;

use crate::Rect;

/// Side of what comes out (AlexNet's pool5).
pub const SIDE: usize = 6;

/// Pixels from one position of conv5 to the next, and those before the first position's own: it has its
/// centre at 17 (conv1 11x11 stride 4 and two poolings 3x3 stride 2, without padding), so position `i` stands
/// for pixels `9 + 16 i` to `25 + 16 i`.
const STEP: f32 = 16.0;
const FIRST: f32 = 9.0;

/// The largest value of each of 6x6 parts of each region, channel by channel (Fast R-CNN, section 2.1). Parts
/// overlap by a position where a region's positions cannot be shared out evenly; a region that falls between
/// positions gets the nearest. Gradients go to the positions that were largest.
///
/// Where the largest values are is worked out on the host, so the map is read from its device once; what
/// comes out is gathered on the device.
///
/// # Shapes
/// - `map`: `[batch, channels, height, width]`, conv5
/// - `regions`: picture and place, in pixels of the pictures
/// - output: `[regions, channels, 6, 6]`
///
/// # Panics
/// When a region names a picture that the batch does not have.
pub fn roi_pool(map: Tensor<4>, regions: &[(usize, Rect)]) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let values: Vec<f32> = map.clone().detach().into_data().iter::<f32>().collect();
    let cells = height * width;
    let pool = |&(picture, rect): &(usize, Rect)| -> Vec<i64> {
        assert!(picture < batch, "a region of picture {picture} in a batch of {batch}");
        let rows = parts(rect.top, rect.bottom, height);
        let columns = parts(rect.left, rect.right, width);
        let mut winners = Vec::with_capacity(channels * SIDE * SIDE);
        for channel in 0..channels {
            let first = (picture * channels + channel) * cells;
            for row in &rows {
                for column in &columns {
                    let inside = row.clone().flat_map(|y| column.clone().map(move |x| y * width + x));
                    let best = inside.fold(None, |best: Option<usize>, at| match best {
                        Some(best) if values[first + best] >= values[first + at] => Some(best),
                        _ => Some(at),
                    });
                    winners.push((first + best.unwrap_or(0)) as i64);
                }
            }
        }
        winners
    };
    let winners: Vec<i64> = regions.par_iter().flat_map_iter(pool).collect();
    let count = winners.len();
    let winners = Tensor::<1, Int>::from_data(TensorData::new(winners, [count]), &map.device());
    map.reshape([batch * channels * cells]).select(0, winners).reshape([regions.len(), channels, SIDE, SIDE])
}

/// The positions of each of six parts of a stretch of pixels; none is empty.
fn parts(from: f32, to: f32, positions: usize) -> [std::ops::Range<usize>; SIDE] {
    let last = positions - 1;
    let position = |pixel: f32| (pixel - FIRST) / STEP;
    let start = (position(from).round().max(0.0) as usize).min(last);
    let end = (position(to).round().max(0.0) as usize).clamp(start + 1, positions);
    let length = end - start;
    std::array::from_fn(|part| {
        let first = start + part * length / SIDE;
        let after = start + ((part + 1) * length).div_ceil(SIDE);
        first..after.max(first + 1)
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn stretches_are_shared_out() {
        // positions 0 to 12, each with two in its part
        assert_eq!(parts(9.0, 201.0, 13), [0..2, 2..4, 4..6, 6..8, 8..10, 10..12]);
        // five for six parts: neighbours overlap
        assert_eq!(parts(25.0, 105.0, 13), [1..2, 1..3, 2..4, 3..5, 4..6, 5..6]);
        // none, beyond the last: the last
        assert_eq!(parts(500.0, 502.0, 13), [12..13, 12..13, 12..13, 12..13, 12..13, 12..13]);
        assert_eq!(parts(0.0, 8.0, 13)[0], 0..1);
    }

    #[test]
    fn the_largest_is_taken_and_gets_the_gradient() {
        let device = Device::flex().autodiff();
        let values: Vec<f32> = (0..2 * 12 * 12).map(|i| (i * 37 % 289) as f32).collect();
        let map = Tensor::<1>::from_floats(values.as_slice(), &device).reshape([1, 2, 12, 12]).require_grad();
        let whole = Rect::new(9.0, 9.0, 201.0, 201.0);
        let pooled = roi_pool(map.clone(), &[(0, whole), (0, whole)]);
        assert_eq!(pooled.dims(), [2, 2, 6, 6]);
        let found = pooled.clone().into_data().try_to_vec::<f32>().expect("f32");
        let at = |c: usize, y: usize, x: usize| values[c * 144 + y * 12 + x];
        for (i, value) in found.iter().enumerate() {
            let (c, y, x) = (i / 36 % 2, i / 6 % 6 * 2, i % 6 * 2);
            let expected = at(c, y, x).max(at(c, y, x + 1)).max(at(c, y + 1, x)).max(at(c, y + 1, x + 1));
            assert_eq!(*value, expected);
        }
        // two regions: what was largest gets two, the rest nothing
        let slope = map.grad(&pooled.sum().backward()).expect("tracked").into_data();
        let slope = slope.try_to_vec::<f32>().expect("f32");
        assert_eq!(slope.iter().sum::<f32>(), 2.0 * 72.0);
        assert!(slope.iter().all(|&s| s == 0.0 || s == 2.0));
    }
}
