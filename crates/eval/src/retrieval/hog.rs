//! Histograms of oriented gradients (Dalal and Triggs, 2005), around a hole.
//!
//! Written here because the library that has them (imageproc) would bring linear algebra and twenty crates to
//! everybody who fills a picture; checked against scikit-image.

use context_encoder_mask::Mask;
use image::{GrayImage, RgbImage, imageops};

use super::{Descriptor, check_leaves_something_visible};
use crate::EvalError;

/// Side of a cell, pixels.
const CELL: usize = 8;

/// Directions from 0 to 180 degrees; opposite ones are one.
const ORIENTATIONS: usize = 9;

/// Side of a block of cells that are normalised together.
const BLOCK: usize = 2;

/// Keeps the quotient of flat blocks at zero.
const EPSILON: f32 = 1e-5;

/// Gradients of 9 orientations summed in cells of 8x8 pixels and normalised in blocks of 2x2 cells, without
/// the blocks that a hidden pixel touches. Rows and columns beyond a multiple of 8 are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hog;

impl Hog {
    fn one(picture: &RgbImage, mask: &Mask) -> Vec<f32> {
        let cells = Cells::of(&imageops::grayscale(picture), mask);
        let corners = (0..(cells.rows + 1).saturating_sub(BLOCK))
            .flat_map(|row| (0..(cells.columns + 1).saturating_sub(BLOCK)).map(move |column| (row, column)));
        corners.filter_map(|(row, column)| cells.block(row, column)).flatten().collect()
    }
}

/// One histogram for each cell.
struct Cells {
    columns: usize,
    rows: usize,
    histograms: Vec<[f32; ORIENTATIONS]>,
    /// Whether a gradient in the cell depends on a hidden pixel.
    touched: Vec<bool>,
}

impl Cells {
    fn of(grey: &GrayImage, mask: &Mask) -> Self {
        let [width, height] = [grey.width(), grey.height()];
        let [columns, rows] = [width, height].map(|side| side as usize / CELL);
        let mut histograms = vec![[0.0; ORIENTATIONS]; columns * rows];
        let mut touched = vec![false; columns * rows];
        for (x, y, _) in grey.enumerate_pixels() {
            let (column, row) = (x as usize / CELL, y as usize / CELL);
            if column >= columns || row >= rows {
                continue;
            }
            let cell = row * columns + column;
            // The pixels that its gradient is the difference of; none across the border.
            let along = |at: u32, side: u32| (at > 0 && at + 1 < side).then(|| (at - 1, at + 1));
            let difference = |ends: Option<((u32, u32), (u32, u32))>| {
                ends.map_or((0.0, false), |(before, after)| {
                    let value = |(x, y): (u32, u32)| f32::from(grey.get_pixel(x, y)[0]);
                    let hidden = |(x, y): (u32, u32)| mask.is_hidden(x, y);
                    (value(after) - value(before), hidden(before) || hidden(after))
                })
            };
            let (dx, hidden_x) = difference(along(x, width).map(|(left, right)| ((left, y), (right, y))));
            let (dy, hidden_y) = difference(along(y, height).map(|(above, below)| ((x, above), (x, below))));
            touched[cell] |= hidden_x || hidden_y || mask.is_hidden(x, y);
            let degrees = dy.atan2(dx).to_degrees().rem_euclid(180.0);
            let orientation = ((degrees * ORIENTATIONS as f32 / 180.0) as usize).min(ORIENTATIONS - 1);
            histograms[cell][orientation] += dx.hypot(dy) / (CELL * CELL) as f32;
        }
        Self { columns, rows, histograms, touched }
    }

    /// The histograms of a block at length 1, or none if something is hidden in it.
    fn block(&self, row: usize, column: usize) -> Option<Vec<f32>> {
        let cells = (row..row + BLOCK)
            .flat_map(|row| (column..column + BLOCK).map(move |column| row * self.columns + column));
        let mut values = Vec::with_capacity(BLOCK * BLOCK * ORIENTATIONS);
        for cell in cells {
            if self.touched[cell] {
                return None;
            }
            values.extend(self.histograms[cell]);
        }
        let squared: f32 = values.iter().map(|value| value * value).sum();
        let length = (squared + EPSILON * EPSILON).sqrt();
        values.iter_mut().for_each(|value| *value /= length);
        Some(values)
    }
}

impl Descriptor for Hog {
    fn name(&self) -> &str {
        "HOG"
    }

    fn describe(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<Vec<f32>>, EvalError> {
        let one = |(picture, mask): (&RgbImage, &Mask)| {
            check_leaves_something_visible(picture.dimensions(), mask)?;
            Ok(Self::one(picture, mask))
        };
        pictures.iter().zip(masks).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::Protocol;

    fn stripes(across: bool, centre: u8) -> RgbImage {
        RgbImage::from_fn(64, 64, |x, y| {
            let inside = (16..48).contains(&x) && (16..48).contains(&y);
            let along = if across { x } else { y };
            Rgb([if inside { centre } else { (along / 4 % 2 * 200) as u8 }; 3])
        })
    }

    #[test]
    fn hidden_pixels_have_no_influence_and_directions_tell_pictures_apart() {
        let masks = vec![Protocol::Hidden.mask(64); 3];
        let pictures = [stripes(true, 0), stripes(true, 250), stripes(false, 0)];
        let found = Hog.describe(&pictures, &masks).expect("usable");
        assert_eq!(found[0], found[1]);
        assert!(!found[0].is_empty());
        let along = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!(along(&found[0], &found[2]) < 0.5 * along(&found[0], &found[0]));
    }

    /// scikit-image 0.26: `hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2),
    /// block_norm="L2")` on the same grey pixels; some of 6 x 4 blocks of 36 values.
    #[test]
    fn untouched_blocks_agree_with_scikit_image() {
        let grey = |x: u32, y: u32| ((x * x * 3 + y * 7 + x * y * 5 + (x / 5) * 40) % 256) as u8;
        let picture = RgbImage::from_fn(56, 40, |x, y| Rgb([grey(x, y); 3]));
        let nothing = Mask::visible(56, 40);
        let found = Hog::one(&picture, &nothing);
        assert_eq!(found.len(), 6 * 4 * 36);
        let expected = [0.087925, 0.363446, 0.000000, 0.000000, 0.403855, 0.107063, 0.221813];
        let at = [0, 1, 5, 100, 431, 700, 863];
        for (index, expected) in at.into_iter().zip(expected) {
            assert!((found[index] - expected).abs() < 2e-5, "{index}: {} is not {expected}", found[index]);
        }
        let corner = Mask::from_fn(56, 40, |x, y| x < 3 && y < 3);
        assert_eq!(Hog::one(&picture, &corner), found[36..]); // only the first block is touched
    }
}
