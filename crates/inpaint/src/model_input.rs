//! A crop at the network's size: image and mask.

use context_encoder_mask::Rect;
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::F32x4,
};
use rayon::prelude::*;

use crate::{
    crop::{Crop, block},
    multigrid::Multigrid,
};

/// From this visible share of what is under the filter on, a pixel of the input counts as visible.
const MIN_VISIBLE: f32 = 0.5;

/// A crop at the network's size, in `[-1, 1]`, channels first.
pub(crate) struct ModelInput {
    pub(crate) side: usize,
    /// Red, green and blue, each row by row; 0 where nothing is known.
    pub(crate) colors: [Vec<f32>; 3],
    /// What the network must not see, row by row.
    pub(crate) hidden: Vec<bool>,
}

impl ModelInput {
    /// Cuts a crop out of a picture of `size` and resamples it to `side` pixels a side.
    ///
    /// `read(x, y)` is a pixel, or `None` where it is hidden. Hidden pixels have no part in any mean: a pixel
    /// of the input is the mean of the visible ones under the filter. It is hidden itself when less than
    /// half of what is under the filter is visible.
    pub(crate) fn cut(
        crop: &Crop,
        size: (u32, u32),
        side: usize,
        read: impl Fn(u32, u32) -> Option<[f32; 3]> + Sync,
    ) -> Self {
        let (means, means_side) = block_means(crop, size, side, read);
        let sums = resampled(&means, means_side, side);
        let count = side * side;
        let mut colors = [(); 3].map(|()| vec![0.0; count]);
        // Where everything is scarcely visible, that must do.
        let most = sums.iter().map(|pixel| pixel.0[3]).fold(0.0, f32::max);
        let enough = MIN_VISIBLE.min(most);
        let mut hidden = vec![true; count];
        for (at, pixel) in sums.iter().enumerate() {
            let visible = pixel.0[3];
            if visible > 0.0 && visible >= enough {
                hidden[at] = false;
                for (color, plane) in colors.iter_mut().enumerate() {
                    plane[at] = if visible == 1.0 { pixel.0[color] } else { pixel.0[color] / visible };
                }
            }
        }
        Self { side, colors, hidden }
    }

    /// Hides exactly a square, as in training. What was hidden elsewhere is shown, filled smoothly.
    pub(crate) fn hide_only(&mut self, square: Rect) {
        let outside = |at: usize| !square.contains((at % self.side) as u32, (at / self.side) as u32);
        let visible = self.hidden.contains(&false);
        if visible && (0..self.hidden.len()).any(|at| self.hidden[at] && outside(at)) {
            let smooth = Multigrid::new(self.side, &self.hidden);
            for plane in &mut self.colors {
                let values = smooth.solve(|at| plane[at]);
                for (at, hidden) in self.hidden.iter().enumerate() {
                    if *hidden {
                        plane[at] = values[at];
                    }
                }
            }
        }
        for (at, hidden) in self.hidden.iter_mut().enumerate() {
            *hidden = square.contains((at % self.side) as u32, (at / self.side) as u32);
        }
    }
}

/// The crop as means over square blocks, small enough to be resampled at once, and how many blocks a side.
///
/// A pixel holds its colours times its visible share, and that share.
fn block_means(
    crop: &Crop,
    (width, height): (u32, u32),
    side: usize,
    read: impl Fn(u32, u32) -> Option<[f32; 3]> + Sync,
) -> (Vec<F32x4>, usize) {
    let block = block(crop.side, side as u32);
    let blocks = (crop.side / block) as usize;
    let columns: Vec<u32> = (0..i64::from(crop.side)).map(|x| mirrored(crop.x + x, width)).collect();
    let rows: Vec<u32> = (0..i64::from(crop.side)).map(|y| mirrored(crop.y + y, height)).collect();
    let block = block as usize;
    let mean = |rows: &[u32], columns: &[u32]| {
        let mut sum = [0.0; 4];
        for &y in rows {
            for &x in columns {
                if let Some([red, green, blue]) = read(x, y) {
                    for (sum, value) in sum.iter_mut().zip([red, green, blue, 1.0]) {
                        *sum += value;
                    }
                }
            }
        }
        F32x4::new(sum.map(|sum| sum / (block * block) as f32))
    };
    let mut means = vec![F32x4::new([0.0; 4]); blocks * blocks];
    means.par_chunks_mut(blocks).zip(rows.par_chunks(block)).for_each(|(means, rows)| {
        for (pixel, columns) in means.iter_mut().zip(columns.chunks(block)) {
            *pixel = mean(rows, columns);
        }
    });
    (means, blocks)
}

/// The place inside `0..length` that stands for `place` of an endless row of mirror images: -1 is 0, -2 is 1.
fn mirrored(place: i64, length: u32) -> u32 {
    let length = i64::from(length);
    let place = place.rem_euclid(2 * length);
    (if place < length { place } else { 2 * length - 1 - place }) as u32
}

/// A triangle filter, widened when the picture shrinks, as in training and evaluation.
fn resampled(pixels: &[F32x4], from: usize, to: usize) -> Vec<F32x4> {
    if from == to {
        return pixels.to_vec();
    }
    let bilinear =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false);
    let mut target = TypedImage::<F32x4>::new(to as u32, to as u32);
    if let Ok(source) = TypedImageRef::new(from as u32, from as u32, pixels) {
        // Both pictures have pixels and nothing is cropped: there is nothing to fail.
        let done = Resizer::new().resize_typed(&source, &mut target, &bilinear);
        debug_assert!(done.is_ok(), "{done:?}");
    }
    target.pixels().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crop::{Weighting, whole_blocks};

    fn crop(x: i64, y: i64, side: u32) -> Crop {
        Crop { x, y, side, weighting: Weighting::Single }
    }

    #[test]
    fn crop_of_the_networks_size_is_copied() {
        let read = |x: u32, y: u32| (x != 5).then_some([x as f32, y as f32, 0.1]);
        let input = ModelInput::cut(&crop(2, 1, 16), (30, 30), 16, read);
        assert_eq!((input.colors[0][0], input.colors[1][0], input.colors[2][0]), (2.0, 1.0, 0.1));
        assert!(input.hidden[3] && !input.hidden[4] && input.colors[0][3] == 0.0);
    }

    #[test]
    fn hidden_pixels_take_no_part_in_means() {
        // black where visible, glaring where hidden: nothing of it may show at any scale
        for side in [8, 12, 24, 40, 100] {
            let read = |x: u32, y: u32| (!(x / 3 + y / 2).is_multiple_of(3)).then_some([-1.0; 3]);
            let input = ModelInput::cut(&crop(-7, 3, whole_blocks(side, 16)), (120, 90), 16, read);
            for (value, hidden) in input.colors[0].iter().zip(&input.hidden) {
                assert!(
                    if *hidden { *value == 0.0 } else { (value + 1.0).abs() < 1e-5 },
                    "{value} at {side}"
                );
            }
        }
    }

    #[test]
    fn crop_beyond_the_picture_is_mirrored() {
        let input = ModelInput::cut(&crop(-2, 0, 16), (16, 16), 16, |x, _| Some([x as f32; 3]));
        assert_eq!(input.colors[0][..4], [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn other_holes_are_filled_smoothly_for_a_centre_network() {
        // a ramp with a hidden column on the left and the usual square
        let ramp = |x: u32, y: u32| {
            let square = (4..12).contains(&x) && (4..12).contains(&y);
            (x != 2 && !square).then_some([x as f32; 3])
        };
        let mut input = ModelInput::cut(&crop(0, 0, 16), (16, 16), 16, ramp);
        input.hide_only(Rect { x: 4, y: 4, width: 8, height: 8 });
        assert_eq!(input.hidden.iter().filter(|&&hidden| hidden).count(), 64);
        assert!((input.colors[0][8 * 16 + 2] - 2.0).abs() < 0.2);
    }

    #[test]
    fn mirror_images_repeat_the_edge_and_alternate() {
        let row: Vec<u32> = (-4..8).map(|place| mirrored(place, 3)).collect();
        assert_eq!(row, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert_eq!(mirrored(-5, 1), 0);
    }
}
