//! A share that falls from the hole's rim inwards.

use crate::hole::{Hole, UNIT, depths};

/// The band's width: this part of the depth of the hole's deepest pixel.
const BAND: f32 = 0.25;

/// At least so many pixels, where the hole is that deep.
const NARROWEST: f32 = 4.0;

/// For each place of the frame, how much of the rim's difference remains there: nearly 1 beside visible
/// pixels, 0 from the end of the band on, with no kink at either end. 0 outside the hole.
pub(super) fn fade(hole: &Hole) -> Vec<f32> {
    let depths = depths(hole.frame.width as usize, &hole.inside);
    let pixels = |depth: u16| f32::from(depth) / f32::from(UNIT);
    let deepest = depths.iter().copied().max().map_or(0.0, pixels);
    let band = (BAND * deepest).max(NARROWEST);
    let share = |depth: u16| {
        let left = (1.0 - pixels(depth) / (band + 1.0)).max(0.0);
        if depth == 0 { 0.0 } else { left * left * (3.0 - 2.0 * left) }
    };
    depths.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use context_encoder_mask::Mask;

    use super::*;

    #[test]
    fn a_strip_by_hand() {
        // 9 hidden columns: the deepest is 5 pixels from what is visible, so the band is 4 wide
        let mask = Mask::from_fn(11, 40, |x, _| (1..10).contains(&x));
        let hole = Hole::whole(&mask).expect("one");
        let share = fade(&hole);
        let row: Vec<f32> = (0..6).map(|x| share[hole.index(x, 20)]).collect();
        let smooth = |left: f32| left * left * (3.0 - 2.0 * left);
        let expected = [0.0, smooth(0.8), smooth(0.6), smooth(0.4), smooth(0.2), 0.0];
        assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
    }
}
