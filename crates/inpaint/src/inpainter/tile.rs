//! A window at the network's size: what is seen, and what is hidden.

use context_encoder_mask::Rect;
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::F32x4,
};
use rayon::prelude::*;

use super::window::{Window, mirrored};
use crate::blend::multigrid::Multigrid;

/// From this visible share of the pixels that it stands for on, a pixel of a tile counts as seen.
const SEEN: f32 = 0.5;

/// A window at the network's size, in `[-1, 1]`, colours apart.
pub(super) struct Tile {
    pub(super) side: usize,
    /// Red, green and blue, each row by row; 0 where nothing is known.
    pub(super) colours: [Vec<f32>; 3],
    /// What the network must not see, row by row.
    pub(super) hidden: Vec<bool>,
}

impl Tile {
    /// Cuts a window out of a picture of `size` and brings it to `side` pixels a side.
    ///
    /// `read(x, y)` is a pixel, or `None` where it is hidden. Hidden pixels have no part in any mean: a pixel
    /// of the tile is the mean of the visible ones under the filter. It is hidden itself when less than
    /// half of what is under the filter is visible.
    pub(super) fn cut(
        window: &Window,
        size: (u32, u32),
        side: usize,
        read: impl Fn(u32, u32) -> Option<[f32; 3]> + Sync,
    ) -> Self {
        let (means, means_side) = block_means(window, size, side, read);
        let sums = resampled(&means, means_side, side);
        let count = side * side;
        let mut colours = [(); 3].map(|()| vec![0.0; count]);
        // Where everything is scarcely visible, that must do.
        let most = sums.iter().map(|pixel| pixel.0[3]).fold(0.0, f32::max);
        let seen = SEEN.min(most);
        let mut hidden = vec![true; count];
        for (at, pixel) in sums.iter().enumerate() {
            let visible = pixel.0[3];
            if visible > 0.0 && visible >= seen {
                hidden[at] = false;
                for (colour, plane) in colours.iter_mut().enumerate() {
                    plane[at] = if visible == 1.0 { pixel.0[colour] } else { pixel.0[colour] / visible };
                }
            }
        }
        Self { side, colours, hidden }
    }

    /// Hides exactly a square, as in training. What was hidden elsewhere is shown, filled smoothly.
    pub(super) fn hide_only(&mut self, square: Rect) {
        let outside = |at: usize| !square.contains((at % self.side) as u32, (at / self.side) as u32);
        let visible = self.hidden.contains(&false);
        if visible && (0..self.hidden.len()).any(|at| self.hidden[at] && outside(at)) {
            let smooth = Multigrid::new(self.side, &self.hidden);
            for plane in &mut self.colours {
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

/// The window as means over square blocks, small enough to be resampled at once, and how many blocks a side.
///
/// A pixel holds its colours times its visible share, and that share.
fn block_means(
    window: &Window,
    (width, height): (u32, u32),
    side: usize,
    read: impl Fn(u32, u32) -> Option<[f32; 3]> + Sync,
) -> (Vec<F32x4>, usize) {
    let block = block(window.side, side as u32);
    let blocks = (window.side / block) as usize;
    let columns: Vec<u32> = (0..i64::from(window.side)).map(|x| mirrored(window.x + x, width)).collect();
    let rows: Vec<u32> = (0..i64::from(window.side)).map(|y| mirrored(window.y + y, height)).collect();
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

/// Pixels a side of the blocks that are averaged before resampling: from two to four blocks are left for each
/// pixel of the network, enough for the filter to decide the result.
fn block(window_side: u32, side: u32) -> u32 {
    (window_side / (2 * side)).max(1)
}

/// The smallest side of a window, from `side` on, that whole blocks fill and that has a whole quarter.
pub(super) fn fitting(side: u32, network: u32) -> u32 {
    let step = |side: u32| 4 * block(side, network);
    let first = side.next_multiple_of(step(side));
    // A larger window may have larger blocks.
    first.next_multiple_of(step(first))
}

/// A triangle filter, widened when the picture shrinks, as in the views of training and evaluation.
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
    use crate::inpainter::window::Reach;

    fn window(x: i64, y: i64, side: u32) -> Window {
        Window { x, y, side, reach: Reach::All }
    }

    #[test]
    fn the_networks_own_size_is_copied() {
        let read = |x: u32, y: u32| (x != 5).then_some([x as f32, y as f32, 0.1]);
        let tile = Tile::cut(&window(2, 1, 16), (30, 30), 16, read);
        assert_eq!((tile.colours[0][0], tile.colours[1][0], tile.colours[2][0]), (2.0, 1.0, 0.1));
        assert!(tile.hidden[3] && !tile.hidden[4] && tile.colours[0][3] == 0.0);
    }

    #[test]
    fn hidden_pixels_take_no_part_in_means() {
        // black where visible, glaring where hidden: nothing of it may show at any scale
        for side in [8, 12, 24, 40, 100] {
            let read = |x: u32, y: u32| (!(x / 3 + y / 2).is_multiple_of(3)).then_some([-1.0; 3]);
            let tile = Tile::cut(&window(-7, 3, fitting(side, 16)), (120, 90), 16, read);
            for (value, hidden) in tile.colours[0].iter().zip(&tile.hidden) {
                assert!(
                    if *hidden { *value == 0.0 } else { (value + 1.0).abs() < 1e-5 },
                    "{value} at {side}"
                );
            }
        }
    }

    #[test]
    fn beyond_the_picture_it_is_mirrored() {
        let tile = Tile::cut(&window(-2, 0, 16), (16, 16), 16, |x, _| Some([x as f32; 3]));
        assert_eq!(tile.colours[0][..4], [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_network_for_the_centre_sees_other_holes_filled_smoothly() {
        // a slope with a hidden column on the left and the usual square
        let slope = |x: u32, y: u32| {
            let square = (4..12).contains(&x) && (4..12).contains(&y);
            (x != 2 && !square).then_some([x as f32; 3])
        };
        let mut tile = Tile::cut(&window(0, 0, 16), (16, 16), 16, slope);
        tile.hide_only(Rect { x: 4, y: 4, width: 8, height: 8 });
        assert_eq!(tile.hidden.iter().filter(|&&hidden| hidden).count(), 64);
        assert!((tile.colours[0][8 * 16 + 2] - 2.0).abs() < 0.2);
    }

    #[test]
    fn windows_hold_whole_blocks_and_quarters() {
        for side in 1..4000 {
            let fitting = fitting(side, 128);
            assert!(
                fitting >= side && fitting.is_multiple_of(4) && fitting.is_multiple_of(block(fitting, 128))
            );
            assert!(fitting - side < 8 * block(fitting, 128), "{side}: {fitting}");
            let blocks = fitting / block(fitting, 128);
            assert!(blocks <= 4 * 128);
        }
        assert_eq!([64, 128, 200].map(|side| fitting(side, 128)), [64, 128, 200]);
    }
}
