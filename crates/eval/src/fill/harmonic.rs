//! The smoothest fill: Laplace's equation in the hole, the visible pixels as its boundary.

use context_encoder_mask::Mask;
use image::RgbImage;

use super::{Fill, border_mean::neighbours, check};
use crate::EvalError;

/// Stops when the residual has shrunk by this factor; 8-bit pixels show no more.
const TOLERANCE: f32 = 1e-6;

/// Fills the hole with the harmonic function that meets the visible pixels: every hidden pixel becomes
/// the mean of its neighbours. At the picture's own border the gradient is zero.
///
/// It is what a smooth guess is worth, and a context encoder must beat it where something is to be
/// understood. Solved by conjugate gradients.
///
/// ```
/// use context_encoder_eval::{Fill, Harmonic};
/// use context_encoder_mask::Mask;
/// use image::{Rgb, RgbImage};
///
/// // one row from 0 to 200 with two hidden pixels: a straight line
/// let picture = RgbImage::from_fn(4, 1, |x, _| Rgb([if x == 3 { 150 } else { 0 }; 3]));
/// let filled = Harmonic.fill(&picture, &Mask::from_fn(4, 1, |x, _| x == 1 || x == 2))?;
/// assert_eq!(filled.get_pixel(1, 0), &Rgb([50; 3]));
/// assert_eq!(filled.get_pixel(2, 0), &Rgb([100; 3]));
/// # Ok::<(), context_encoder_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Harmonic;

impl Fill for Harmonic {
    fn name(&self) -> &str {
        "harmonic"
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, EvalError> {
        check(picture, mask)?;
        let hole = Hole::new(mask);
        let mut filled = picture.clone();
        for channel in 0..3 {
            let values = hole.solve(&hole.boundary(picture, channel));
            for (&(x, y), value) in hole.pixels.iter().zip(values) {
                filled.get_pixel_mut(x, y).0[channel] = value.round().clamp(0.0, 255.0) as u8;
            }
        }
        Ok(filled)
    }
}

/// The hidden pixels as the unknowns of a linear system: at each of them, (number of neighbours) times
/// its value, less its hidden neighbours' values, equals the sum of its visible neighbours.
struct Hole {
    pixels: Vec<(u32, u32)>,
    /// Per unknown: how many neighbours the pixel has.
    degree: Vec<f32>,
    /// Per unknown: the numbers of its hidden neighbours.
    hidden: Vec<Vec<usize>>,
    /// Per unknown: its visible neighbours.
    visible: Vec<Vec<(u32, u32)>>,
}

impl Hole {
    fn new(mask: &Mask) -> Self {
        let width = mask.width() as usize;
        let at = |x: u32, y: u32| y as usize * width + x as usize;
        let mut number = vec![usize::MAX; mask.hidden().len()];
        let mut pixels = Vec::with_capacity(mask.hidden_count());
        for y in 0..mask.height() {
            for x in 0..mask.width() {
                if mask.is_hidden(x, y) {
                    number[at(x, y)] = pixels.len();
                    pixels.push((x, y));
                }
            }
        }
        let all: Vec<Vec<(u32, u32)>> =
            pixels.iter().map(|&(x, y)| neighbours(x, y, mask).collect()).collect();
        let split = |hidden: bool| {
            all.iter()
                .map(move |list| list.iter().copied().filter(move |&(x, y)| mask.is_hidden(x, y) == hidden))
        };
        Self {
            degree: all.iter().map(|list| list.len() as f32).collect(),
            hidden: split(true).map(|list| list.map(|(x, y)| number[at(x, y)]).collect()).collect(),
            visible: split(false).map(Iterator::collect).collect(),
            pixels,
        }
    }

    /// The right-hand side for one channel: the sum of the visible neighbours of each unknown.
    fn boundary(&self, picture: &RgbImage, channel: usize) -> Vec<f32> {
        let value = |&(x, y): &(u32, u32)| f32::from(picture.get_pixel(x, y).0[channel]);
        self.visible.iter().map(|list| list.iter().map(value).sum()).collect()
    }

    /// The system's matrix times `values`.
    fn laplacian(&self, values: &[f32]) -> Vec<f32> {
        let row = |(i, list): (usize, &Vec<usize>)| {
            self.degree[i] * values[i] - list.iter().map(|&j| values[j]).sum::<f32>()
        };
        self.hidden.iter().enumerate().map(row).collect()
    }

    /// Conjugate gradients; the matrix is symmetric and positive definite because every hole touches a
    /// visible pixel.
    fn solve(&self, boundary: &[f32]) -> Vec<f32> {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let mut values = vec![0.0_f32; boundary.len()];
        let mut residual = boundary.to_vec();
        let mut direction = residual.clone();
        let mut energy = dot(&residual, &residual);
        let enough = energy * f64::from(TOLERANCE).powi(2);
        for _ in 0..boundary.len() {
            if energy <= enough {
                break;
            }
            let image = self.laplacian(&direction);
            let step = (energy / dot(&direction, &image)) as f32;
            for (i, value) in values.iter_mut().enumerate() {
                *value += step * direction[i];
                residual[i] -= step * image[i];
            }
            let next = dot(&residual, &residual);
            let turn = (next / energy) as f32;
            for (direction, residual) in direction.iter_mut().zip(&residual) {
                *direction = residual + turn * *direction;
            }
            energy = next;
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_pixel_is_the_mean_of_its_four_neighbours() {
        let picture = RgbImage::from_fn(3, 3, |x, y| Rgb([(x * 10 + y * 40) as u8, 0, 7]));
        let filled = Harmonic.fill(&picture, &Mask::from_fn(3, 3, |x, y| x == 1 && y == 1)).expect("usable");
        assert_eq!(filled.get_pixel(1, 1), &Rgb([(10 + 40 + 60 + 90) / 4, 0, 7]));
    }

    #[test]
    fn a_linear_picture_is_restored_exactly() {
        // linear functions are harmonic; the hole stays off the border, where the gradient is forced to 0
        let picture =
            RgbImage::from_fn(40, 30, |x, y| Rgb([(3 * x) as u8, (5 * y) as u8, (2 * x + 3 * y) as u8]));
        let mask = Mask::from_fn(40, 30, |x, y| (5..33).contains(&x) && (4..25).contains(&y));
        assert_eq!(Harmonic.fill(&picture, &mask).expect("usable"), picture);
    }

    proptest! {
        #[test]
        fn stays_between_the_darkest_and_the_brightest_visible_pixel(seed in any::<u32>(), hole in 1_u32..12) {
            let value = |x: u32, y: u32| (x.wrapping_mul(seed) ^ y.wrapping_mul(seed >> 7)) as u8;
            let picture = RgbImage::from_fn(14, 13, |x, y| Rgb([value(x, y); 3]));
            let mask = Mask::from_fn(14, 13, |x, y| x >= 1 && x <= hole && y < hole);
            let filled = Harmonic.fill(&picture, &mask).expect("usable");
            let visible = || picture.enumerate_pixels().filter(|(x, y, _)| !mask.is_hidden(*x, *y)).map(|(_, _, p)| p.0[0]);
            let (low, high) = (visible().min().expect("some"), visible().max().expect("some"));
            for (x, y, pixel) in filled.enumerate_pixels() {
                if mask.is_hidden(x, y) {
                    prop_assert!((low..=high).contains(&pixel.0[0]));
                } else {
                    prop_assert_eq!(pixel, picture.get_pixel(x, y));
                }
            }
        }
    }
}
