//! The smooth correction that makes a prediction meet the picture.

use super::{Blend, feather::fade, multigrid::Multigrid};
use crate::hole::Hole;

/// What makes a prediction meet the picture: solved once for a hole, then asked for each colour.
pub(crate) struct Correction {
    membrane: Multigrid,
    /// How much of the membrane is added at each place of the frame; all of it where there is none.
    share: Option<Vec<f32>>,
}

impl Correction {
    /// None when the mode asks for none.
    pub(crate) fn new(blend: Blend, hole: &Hole) -> Option<Self> {
        let share = match blend {
            Blend::None => return None,
            Blend::Feather => Some(fade(hole)),
            Blend::Poisson => None,
        };
        Some(Self { membrane: Multigrid::new(hole.frame.width as usize, &hole.inside), share })
    }

    /// What has to be added to one colour of the prediction at each place of the hole's frame; 0 outside the
    /// hole.
    ///
    /// `difference(place)` is picture less prediction, and is asked for at visible pixels beside the hole
    /// only.
    pub(crate) fn of(&self, difference: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut correction = self.membrane.solve(difference);
        if let Some(share) = &self.share {
            correction.iter_mut().zip(share).for_each(|(correction, share)| *correction *= share);
        }
        correction
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_mask::Mask;

    use super::*;

    #[test]
    fn a_constant_difference_is_added_everywhere() {
        let mask = Mask::from_fn(40, 30, |x, y| (5..25).contains(&x) && y > 12);
        let hole = Hole::whole(&mask).expect("one");
        let correction = Correction::new(Blend::Poisson, &hole).expect("a mode").of(|_| 0.25);
        for (value, inside) in correction.into_iter().zip(&hole.inside) {
            let expected = if *inside { 0.25 } else { 0.0 };
            assert!((value - expected).abs() < 1e-5);
        }
        assert!(Correction::new(Blend::None, &hole).is_none());
    }

    #[test]
    fn feathering_leaves_the_middle() {
        let mask = Mask::from_fn(60, 60, |x, y| (10..50).contains(&x) && (10..50).contains(&y));
        let hole = Hole::whole(&mask).expect("one");
        let correction = Correction::new(Blend::Feather, &hole).expect("a mode").of(|_| 1.0);
        assert_eq!(correction[hole.index(30, 30)], 0.0);
        let rim = correction[hole.index(10, 30)];
        assert!(rim > 0.8 && rim < 1.0, "{rim}");
        assert!(correction[hole.index(13, 30)] < rim);
    }
}
