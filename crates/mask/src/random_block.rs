//! Random blocks: several squares that may overlap.

use std::ops::RangeInclusive;

use rand::{Rng, RngExt};

use crate::generator::{assert_size, pixel_counts};
use crate::{MIN_SIDE, Mask, MaskError, MaskGenerator, Rect};

/// Hides several squares, which may overlap: 1/10 to 1/4 of the image with the default parameters.
///
/// As many squares are drawn as the parameters say, of random side and place, always inside the image. A
/// square that would hide more than the most is left out. While less than the least is hidden, as in very
/// long images, further squares are laid over pixels that are still visible.
///
/// | parameter | default | purpose | range |
/// |---|---|---|---|
/// | `blocks` | 3 to 8 | how many squares are drawn | at least 1 |
/// | `side` | 1/8 to 1/4 | a square's side, as a fraction of the image's shorter side | above 0, at most 1 |
/// | `hidden` | 1/10 to 1/4 | the fraction of the image that is hidden, overlaps counted once | above 0, below 1 |
///
/// The paper (section 3.3) gives only "up to 1/4 of the image"; the other numbers are this project's. The
/// largest block has to fit between the least and the most that is hidden: `side² <= most - least`.
///
/// ```
/// use context_encoder_mask::{MaskGenerator, RandomBlock};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let blocks = RandomBlock { blocks: 1..=2, ..RandomBlock::default() };
/// blocks.validate()?;
/// let mask = blocks.generate(128, 128, &mut ChaCha8Rng::seed_from_u64(7));
/// assert!(blocks.hidden.contains(&mask.hidden_fraction()));
/// # Ok::<(), context_encoder_mask::MaskError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RandomBlock {
    /// How many squares are drawn.
    pub blocks: RangeInclusive<u32>,
    /// A square's side, as a fraction of the image's shorter side.
    pub side: RangeInclusive<f64>,
    /// The fraction of the image that is hidden.
    pub hidden: RangeInclusive<f64>,
}

impl Default for RandomBlock {
    fn default() -> Self {
        Self { blocks: 3..=8, side: 0.125..=0.25, hidden: 0.1..=0.25 }
    }
}

impl RandomBlock {
    /// Checks that the mask of every image can meet the parameters.
    ///
    /// # Errors
    /// [`MaskError::BlockParameters`] with the rule that is broken.
    pub fn validate(&self) -> Result<(), MaskError> {
        let Self { blocks, side, hidden } = self;
        let within = |range: &RangeInclusive<f64>, most: f64| {
            *range.start() > 0.0 && range.start() <= range.end() && *range.end() <= most
        };
        // One pixel of the smallest image: blocks are never smaller than a pixel.
        let pixel = 1.0 / f64::from(MIN_SIDE * MIN_SIDE);
        let largest = (side.end() * side.end()).max(pixel);
        let spare = hidden.end() - hidden.start();
        let reason = if *blocks.start() < 1 || blocks.is_empty() {
            format!("blocks must be a range from 1 upwards, got {blocks:?}")
        } else if !within(side, 1.0) {
            format!("side must be a range above 0 and up to 1, got {side:?}")
        } else if !within(hidden, 1.0 - pixel) {
            format!("hidden must be a range above 0 and below 1, got {hidden:?}")
        } else if largest > spare {
            format!(
                "a block can hide {largest:.4} of the picture, so hidden must span as much, got {hidden:?}"
            )
        } else {
            return Ok(());
        };
        Err(MaskError::BlockParameters { reason })
    }

    /// A random side in pixels: at least 1, at most the image's shorter side.
    fn draw_side(&self, shorter: u32, rng: &mut dyn Rng) -> u32 {
        let most = ((self.side.end() * f64::from(shorter)).floor() as u32).max(1);
        let least = ((self.side.start() * f64::from(shorter)).ceil() as u32).min(most);
        rng.random_range(least..=most)
    }
}

impl MaskGenerator for RandomBlock {
    /// # Panics
    /// When [`validate`](RandomBlock::validate) refuses the parameters.
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        assert_size(width, height);
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let mut mask = Mask::visible(width, height);
        let counts = pixel_counts(&self.hidden, mask.hidden().len());
        let mut hidden = 0;

        for _ in 0..rng.random_range(self.blocks.clone()) {
            let side = self.draw_side(width.min(height), rng);
            let block = Rect {
                x: rng.random_range(0..=width - side),
                y: rng.random_range(0..=height - side),
                width: side,
                height: side,
            };
            let with_block = hidden + visible_in(&mask, block);
            if with_block <= *counts.end() {
                mask.hide(block);
                hidden = with_block;
            }
        }

        // Each iteration hides a pixel or more, and `validate` saw to it that one block never hides too much.
        while hidden < *counts.start() {
            let side = self.draw_side(width.min(height), rng);
            let (x, y) = draw_visible(&mask, rng);
            let block = Rect {
                x: draw_start(x, side, width, rng),
                y: draw_start(y, side, height, rng),
                width: side,
                height: side,
            };
            hidden += visible_in(&mask, block);
            mask.hide(block);
        }
        mask
    }
}

/// How many pixels of a rectangle are still visible.
fn visible_in(mask: &Mask, rect: Rect) -> usize {
    (rect.y..rect.bottom())
        .flat_map(|y| (rect.x..rect.right()).map(move |x| (x, y)))
        .filter(|&(x, y)| !mask.is_hidden(x, y))
        .count()
}

/// A random pixel of those that are visible: column and row.
fn draw_visible(mask: &Mask, rng: &mut dyn Rng) -> (u32, u32) {
    let visible: Vec<_> = (0..mask.height())
        .flat_map(|y| (0..mask.width()).map(move |x| (x, y)))
        .filter(|&(x, y)| !mask.is_hidden(x, y))
        .collect();
    visible[rng.random_range(0..visible.len())]
}

/// A random start for a stretch of `side` pixels inside `0..length` that covers `pixel`.
fn draw_start(pixel: u32, side: u32, length: u32, rng: &mut dyn Rng) -> u32 {
    rng.random_range((pixel + 1).saturating_sub(side)..=pixel.min(length - side))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn overlaps_are_counted_once() {
        let mut mask = Mask::visible(8, 8);
        let square = |x, y| Rect { x, y, width: 3, height: 3 };
        mask.hide(square(0, 0));
        assert_eq!(visible_in(&mask, square(2, 2)), 8);
        assert_eq!(visible_in(&mask, square(0, 0)), 0);
        assert_eq!(visible_in(&mask, square(5, 5)), 9);
    }

    #[test]
    fn a_single_block_is_a_square_inside_the_image() {
        let generator = RandomBlock { blocks: 1..=1, side: 0.25..=0.5, hidden: 0.01..=0.3 };
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..200 {
            let mask = generator.generate(40, 40, &mut rng);
            let bounds = mask.bounds().expect("something is hidden");
            assert_eq!(bounds.width, bounds.height);
            assert_eq!(mask.hidden_count(), bounds.area());
            assert!((10..=20).contains(&bounds.width), "{bounds:?}");
        }
    }

    #[test]
    fn very_long_images_meet_the_least_too() {
        // Eight blocks of at most 8x8 hide 512 of the 1639 pixels that are a tenth of 32x512.
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        for _ in 0..20 {
            let mask = RandomBlock::default().generate(32, 512, &mut rng);
            assert!((1639..=4096).contains(&mask.hidden_count()), "{mask:?}");
        }
    }

    #[test]
    fn constant_random_numbers_still_terminate() {
        /// A broken source: zeros for ever.
        struct Zeros;
        impl rand::TryRng for Zeros {
            type Error = std::convert::Infallible;
            fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
                Ok(0)
            }
            fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
                Ok(0)
            }
            fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
                bytes.fill(0);
                Ok(())
            }
        }
        let mask = RandomBlock::default().generate(64, 64, &mut Zeros);
        assert!((0.1..=0.25).contains(&mask.hidden_fraction()));
    }

    #[test]
    fn parameters_that_cannot_be_met_are_refused() {
        let usual = RandomBlock::default();
        usual.validate().expect("the usual ones can be met");
        let broken = [
            RandomBlock { blocks: 0..=3, ..usual.clone() },
            #[allow(clippy::reversed_empty_ranges, reason = "the mistake under test")]
            RandomBlock { blocks: 3..=2, ..usual.clone() },
            RandomBlock { side: 0.0..=0.2, ..usual.clone() },
            RandomBlock { side: 0.3..=0.2, ..usual.clone() },
            RandomBlock { side: 0.1..=1.5, ..usual.clone() },
            RandomBlock { side: f64::NAN..=0.2, ..usual.clone() },
            RandomBlock { hidden: 0.1..=1.0, ..usual.clone() },
            // A block of half the side hides a quarter: more than the 0.15 between least and most.
            RandomBlock { side: 0.1..=0.5, ..usual },
        ];
        for parameters in broken {
            let error = parameters.validate().expect_err("a broken rule");
            assert!(error.to_string().contains("got"), "{parameters:?}: {error}");
        }
    }
}
