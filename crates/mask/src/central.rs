//! The central square: half the side, less an overlap.

use rand::Rng;

use crate::generator::assert_size;
use crate::{Mask, MaskGenerator, Rect};

/// The least side of the hole in pixels, however large the overlap.
const MIN_HOLE: u32 = 2;

/// Hides the central square, smaller by an overlap on each of its four sides.
///
/// The network predicts all of [`Rect::central`] but sees a band of `overlap` pixels along its inner edge,
/// so that the prediction has to continue the image there. Nothing is random. Images that are not square
/// have half of each dimension hidden. Where an overlap would leave less than 2x2 pixels, those 2x2 stay
/// hidden (3 along a dimension whose half is odd).
///
/// | overlap | from |
/// |---|---|
/// | 0 | the plain central square |
/// | 4 | the authors' command line |
/// | 7 | the paper |
///
/// ```
/// use context_encoder_mask::{Central, Rect};
///
/// let hole = Central::new(4).hole(128, 128);
/// assert_eq!(hole, Rect { x: 36, y: 36, width: 56, height: 56 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Central {
    overlap: u32,
}

impl Central {
    /// The central square less `overlap` pixels on each of its sides.
    pub fn new(overlap: u32) -> Self {
        Self { overlap }
    }

    /// The rectangle that is hidden in an image of this size.
    ///
    /// # Panics
    /// When a side is below [`MIN_SIDE`](crate::MIN_SIDE).
    pub fn hole(&self, width: u32, height: u32) -> Rect {
        assert_size(width, height);
        let square = Rect::central(width, height);
        let [left, top] = [square.width, square.height].map(|side| self.overlap.min((side - MIN_HOLE) / 2));
        Rect {
            x: square.x + left,
            y: square.y + top,
            width: square.width - 2 * left,
            height: square.height - 2 * top,
        }
    }
}

impl MaskGenerator for Central {
    fn generate(&self, width: u32, height: u32, _rng: &mut dyn Rng) -> Mask {
        let mut mask = Mask::visible(width, height);
        mask.hide(self.hole(width, height));
        mask
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn generate(overlap: u32, width: u32, height: u32) -> Mask {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        Central::new(overlap).generate(width, height, &mut rng)
    }

    #[test]
    fn the_hole_of_128_by_hand() {
        for (overlap, side) in [(0, 64), (4, 56), (7, 50)] {
            let mask = generate(overlap, 128, 128);
            assert_eq!(mask.hidden_count(), side * side);
            assert_eq!(mask.bounds().map(|rect| rect.x), Some(32 + overlap));
        }
        let mask = generate(4, 128, 128);
        assert!(mask.is_hidden(36, 36) && mask.is_hidden(91, 91));
        assert!(!mask.is_hidden(35, 36) && !mask.is_hidden(91, 92));
    }

    #[test]
    fn half_of_each_dimension() {
        let expected = Rect { x: 34, y: 18, width: 60, height: 28 };
        assert_eq!(Central::new(2).hole(128, 64), expected);
    }

    #[test]
    fn a_hole_always_remains() {
        for width in 8..=64 {
            for overlap in [0, 1, 7, 1000, u32::MAX] {
                let hole = Central::new(overlap).hole(width, 64);
                let square = Rect::central(width, 64);
                assert!(hole.width >= 2 && hole.height >= 2, "{width} {overlap}");
                assert!(hole.x >= square.x && hole.right() <= square.right());
            }
        }
        assert_eq!(generate(1000, 32, 32).hidden_count(), 4);
        assert_eq!(generate(7, 32, 32).hidden_count(), 4);
    }

    #[test]
    fn no_random_number_is_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let untouched = rng.clone();
        Central::new(4).generate(64, 64, &mut rng);
        assert_eq!(rng, untouched);
    }
}
