//! Free-form masks: holes as people paint them.

use std::ops::RangeInclusive;

use rand::{Rng, RngExt};

use crate::generator::{assert_size, pixel_counts};
use crate::{Mask, MaskGenerator, RandomRegion, Rect};

/// How many brush strokes, or ellipses, make a mask.
const STROKES: RangeInclusive<u32> = 1..=4;
const ELLIPSES: RangeInclusive<u32> = 1..=2;

/// Straight pieces of a stroke.
const PIECES: RangeInclusive<u32> = 1..=5;

/// Lengths as fractions of the image's shorter side: a piece of a stroke, half of the brush, half an axis of
/// an ellipse.
const PIECE: RangeInclusive<f64> = 0.1..=0.35;
const BRUSH: RangeInclusive<f64> = 0.025..=0.1;
const HALF_AXIS: RangeInclusive<f64> = 0.08..=0.3;

/// How far a stroke turns between two pieces, radians.
const TURN: RangeInclusive<f64> = -1.2..=1.2;

/// Masks drawn before the noise pattern is taken instead.
const TRIES: u32 = 16;

/// Holes as people paint them in photographs, 1/50 to 2/5 of the image: brush strokes, ellipses, or a window
/// of the noise pattern of [`RandomRegion`], each for a third of the masks. Strokes and ellipses may reach
/// beyond the image's border.
///
/// Neither the paper nor its authors' code has it. Its holes are larger than those of the noise pattern alone
/// (up to 3/5 of the image's side against some 40 of 128 pixels), as are those of a user, around which a
/// network is shown two to four times their side. "Free-form" after Yu et al. (ICCV 2019), who train on
/// brush strokes.
///
/// ```
/// use context_encoder_mask::{FreeForm, MaskGenerator};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let mask = FreeForm::default().generate(128, 128, &mut ChaCha8Rng::seed_from_u64(2));
/// assert!(FreeForm::HIDDEN.contains(&mask.hidden_fraction()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct FreeForm {
    pattern: RandomRegion,
}

impl FreeForm {
    /// The fraction of the image that is hidden.
    pub const HIDDEN: RangeInclusive<f64> = 0.02..=0.4;
}

impl MaskGenerator for FreeForm {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        assert_size(width, height);
        let draw = match rng.random_range(0..3) {
            0 => return self.pattern.generate(width, height, rng),
            1 => draw_strokes,
            _ => draw_ellipses,
        };
        let counts = pixel_counts(&Self::HIDDEN, width as usize * height as usize);
        for _ in 0..TRIES {
            let mask = draw(width, height, rng);
            if counts.contains(&mask.hidden_count()) {
                return mask;
            }
        }
        self.pattern.generate(width, height, rng)
    }
}

/// Lines of a round brush with bends, each of its own width.
fn draw_strokes(width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
    let unit = f64::from(width.min(height));
    let mut mask = Mask::visible(width, height);
    for _ in 0..rng.random_range(STROKES) {
        let radius = unit * rng.random_range(BRUSH);
        let mut from = draw_place(width, height, rng);
        let mut angle = rng.random_range(0.0..std::f64::consts::TAU);
        for _ in 0..rng.random_range(PIECES) {
            let length = unit * rng.random_range(PIECE);
            let to = [from[0] + length * angle.cos(), from[1] + length * angle.sin()];
            let center = [0, 1].map(|axis| (from[axis] + to[axis]) / 2.0);
            let reach = length / 2.0 + radius;
            hide_near(&mut mask, center, reach, |place| distance(place, from, to) <= radius);
            (from, angle) = (to, angle + rng.random_range(TURN));
        }
    }
    mask
}

/// Ellipses at any angle.
fn draw_ellipses(width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
    let unit = f64::from(width.min(height));
    let mut mask = Mask::visible(width, height);
    for _ in 0..rng.random_range(ELLIPSES) {
        let center = draw_place(width, height, rng);
        let [a, b] = [(); 2].map(|()| unit * rng.random_range(HALF_AXIS));
        let (sin, cos) = rng.random_range(0.0..std::f64::consts::PI).sin_cos();
        hide_near(&mut mask, center, a.max(b), |[x, y]| {
            let [x, y] = [x - center[0], y - center[1]];
            ((x * cos + y * sin) / a).powi(2) + ((y * cos - x * sin) / b).powi(2) <= 1.0
        });
    }
    mask
}

fn draw_place(width: u32, height: u32, rng: &mut dyn Rng) -> [f64; 2] {
    [width, height].map(|side| rng.random_range(0.0..f64::from(side)))
}

/// Hides the pixels whose centers pass the test, of those at most `reach` away from `center` along each axis.
fn hide_near(mask: &mut Mask, center: [f64; 2], reach: f64, is_hidden: impl Fn([f64; 2]) -> bool) {
    let span = |axis: usize, side: u32| {
        // Casts of negative numbers give 0.
        let [first, end] = [center[axis] - reach, center[axis] + reach + 1.0].map(|place| place as u32);
        first..end.min(side)
    };
    for y in span(1, mask.height()) {
        for x in span(0, mask.width()) {
            if is_hidden([f64::from(x) + 0.5, f64::from(y) + 0.5]) {
                mask.hide(Rect { x, y, width: 1, height: 1 });
            }
        }
    }
}

/// From a place to the straight line between two others.
fn distance([x, y]: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let square = along[0] * along[0] + along[1] * along[1];
    let share = ((x - from[0]) * along[0] + (y - from[1]) * along[1]) / square;
    let share = share.clamp(0.0, 1.0);
    (x - from[0] - share * along[0]).hypot(y - from[1] - share * along[1])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn distance_by_hand() {
        let (from, to) = ([1.0, 1.0], [5.0, 1.0]);
        assert_eq!(distance([3.0, 4.0], from, to), 3.0); // beside the line
        assert_eq!(distance([8.0, 5.0], from, to), 5.0); // beyond its end: 3, 4, 5
        assert_eq!(distance([-2.0, 5.0], from, to), 5.0);
    }

    #[test]
    fn only_centers_within_reach_are_tested_and_the_border_is_no_limit() {
        let mut mask = Mask::visible(9, 8);
        hide_near(&mut mask, [0.0, 8.0], 2.5, |_| true);
        assert_eq!(mask.bounds(), Some(Rect { x: 0, y: 5, width: 3, height: 3 }));
    }

    #[test]
    fn masks_hide_what_is_promised_at_every_size() {
        let generator = FreeForm::default();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (width, height, count) in [(128, 128, 200), (8, 8, 100), (300, 40, 50), (256, 256, 50)] {
            for _ in 0..count {
                let fraction = generator.generate(width, height, &mut rng).hidden_fraction();
                assert!(FreeForm::HIDDEN.contains(&fraction), "{width}x{height}: {fraction}");
            }
        }
    }
}
