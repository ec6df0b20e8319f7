//! The smoothest fill: Laplace's equation in the hole, the visible pixels as its boundary.

use context_encoder_mask::Mask;
use image::RgbImage;

use crate::{Fill, InpaintError, fill::check_mask, hole::Parts, multigrid::Multigrid, thin};

/// Components of a mask that lie in a square of so many pixels are solved together; it saves time where there
/// are many.
const TOGETHER: u32 = 32;

/// Fills the hole with the harmonic function that meets the visible pixels: every hidden pixel becomes
/// the mean of its neighbours. At the picture's own border the gradient is zero.
///
/// It is what a smooth guess is worth, and a context encoder must beat it where something is to be
/// understood. Solved by multigrid, whatever the hole's size.
///
/// ```
/// use context_encoder_inpaint::{Fill, Harmonic};
/// use context_encoder_mask::Mask;
/// use image::{Rgb, RgbImage};
///
/// // one row from 0 to 200 with two hidden pixels: a straight line
/// let picture = RgbImage::from_fn(4, 1, |x, _| Rgb([if x == 3 { 150 } else { 0 }; 3]));
/// let filled = Harmonic.fill(&picture, &Mask::from_fn(4, 1, |x, _| x == 1 || x == 2))?;
/// assert_eq!(filled.get_pixel(1, 0), &Rgb([50; 3]));
/// assert_eq!(filled.get_pixel(2, 0), &Rgb([100; 3]));
/// # Ok::<(), context_encoder_inpaint::InpaintError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Harmonic;

impl Fill for Harmonic {
    fn name(&self) -> &str {
        "harmonic"
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        check_mask(picture.dimensions(), mask)?;
        let mut filled = picture.clone();
        let parts = Parts::find(mask, TOGETHER);
        for hole in parts.holes {
            let laplace = Multigrid::new(hole.frame.width as usize, &hole.inside);
            for color in 0..3 {
                let values = laplace.solve(|at| {
                    let (x, y) = hole.position(at);
                    f32::from(picture.get_pixel(x, y).0[color])
                });
                for (x, y, at) in hole.pixels() {
                    filled.get_pixel_mut(x, y).0[color] = values[at].round().clamp(0.0, 255.0) as u8;
                }
            }
        }
        thin::fill(&mut filled, &parts.thin.pixels, |_, _| 0.0);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn single_pixel_is_the_mean_of_its_four_neighbours() {
        let picture = RgbImage::from_fn(3, 3, |x, y| Rgb([(x * 10 + y * 40) as u8, 0, 7]));
        let filled = Harmonic.fill(&picture, &Mask::from_fn(3, 3, |x, y| x == 1 && y == 1)).expect("usable");
        assert_eq!(filled.get_pixel(1, 1), &Rgb([(10 + 40 + 60 + 90) / 4, 0, 7]));
    }

    #[test]
    fn linear_picture_is_restored_exactly() {
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
