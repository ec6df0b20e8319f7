//! The trait of mask generators, and what they share.

use std::ops::RangeInclusive;

use rand::Rng;

use crate::Mask;

/// The shortest side of an image that the generators of this crate take, in pixels.
///
/// Below it the fractions that they promise to hide are less than a pixel apart.
pub const MIN_SIDE: u32 = 8;

/// Draws a new mask, 1 = hidden, for an image of a given size.
///
/// All randomness comes from `rng`: the same generator with `rng` in the same state gives the same mask, on
/// every platform and on every thread. So a training run that derives `rng` from (run seed, epoch, image)
/// is repeatable whatever the order of the work.
///
/// ```
/// use context_encoder_mask::{MaskGenerator, RandomBlock};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let generator: Box<dyn MaskGenerator> = Box::new(RandomBlock::default());
/// let draw = |seed| generator.generate(64, 48, &mut ChaCha8Rng::seed_from_u64(seed));
/// assert_eq!(draw(1), draw(1));
/// assert_ne!(draw(1), draw(2));
/// ```
pub trait MaskGenerator: Send + Sync {
    /// A mask of `width` by `height` pixels, 1 = hidden.
    ///
    /// # Panics
    /// The generators of this crate: when a side is below [`MIN_SIDE`].
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask;
}

impl<G: MaskGenerator + ?Sized> MaskGenerator for Box<G> {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        (**self).generate(width, height, rng)
    }
}

/// Panics with the size when a side is below [`MIN_SIDE`].
pub(crate) fn assert_size(width: u32, height: u32) {
    assert!(
        width >= MIN_SIDE && height >= MIN_SIDE,
        "masks are drawn for pictures of at least {MIN_SIDE}x{MIN_SIDE}, got {width}x{height}"
    );
}

/// The numbers of pixels whose fraction of `area` lies in `fraction`.
pub(crate) fn pixel_counts(fraction: &RangeInclusive<f64>, area: usize) -> RangeInclusive<usize> {
    let least = (fraction.start() * area as f64).ceil() as usize;
    let most = (fraction.end() * area as f64).floor() as usize;
    least..=most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_counts_are_rounded_inwards() {
        // 10 % and 25 % of 8x9 = 72 pixels are 7.2 and 18.
        assert_eq!(pixel_counts(&(0.1..=0.25), 72), 8..=18);
    }

    #[test]
    #[should_panic(expected = "at least 8x8, got 128x7")]
    fn a_side_too_short_panics() {
        assert_size(128, 7);
    }
}
