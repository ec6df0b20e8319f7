//! How a prediction meets the picture around it.

use std::{fmt, str::FromStr};

use crate::{
    hole::{DISTANCE_UNIT, Hole},
    multigrid::Multigrid,
};

/// How a prediction is put into a picture. Visible pixels stay as they are in every mode.
///
/// A network predicts the hole without seeing how bright its last visible neighbours are to the last digit,
/// so that a seam shows where prediction and picture meet. The *difference* between them is known along the
/// hole's rim; the modes differ in what they make of it inside.
///
/// | mode | what is written |
/// |---|---|
/// | `None` | the prediction |
/// | `Feather` | the prediction, plus the rim's difference fading out over a band |
/// | `Poisson` | the prediction, plus the rim's difference carried smoothly through the whole hole |
///
/// ```
/// use context_encoder_inpaint::Blend;
///
/// assert_eq!(Blend::default(), Blend::Poisson);
/// assert_eq!("feather".parse(), Ok(Blend::Feather));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blend {
    /// The prediction as it is. For scores of the network itself.
    None,
    /// The rim's difference fades out over a band along the rim, a quarter of the hole's depth: the middle
    /// keeps the predicted colours.
    Feather,
    /// Seamless cloning in the gradient domain (Pérez, Gangnet, Blake, "Poisson Image Editing", 2003): the
    /// prediction keeps its gradients, its values follow from the picture along the rim. The rim's
    /// difference is spread over the hole by Laplace's equation; at the picture's border its gradient is
    /// zero.
    #[default]
    Poisson,
}

impl Blend {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::None, Self::Feather, Self::Poisson];

    /// The name used on command lines and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Feather => "feather",
            Self::Poisson => "poisson",
        }
    }
}

impl fmt::Display for Blend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What [`Blend::Poisson`] was called before.
const OLD_NAME_OF_POISSON: &str = "membrane";

impl FromStr for Blend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|blend| blend.name() == name)
            .or_else(|| (name == OLD_NAME_OF_POISSON).then_some(Self::Poisson))
            .ok_or_else(|| format!("there is no blend mode `{name}`; choose none, feather or poisson"))
    }
}

/// What makes a prediction meet the picture: set up once for a hole, then solved for each color.
pub(crate) struct Correction {
    laplace: Multigrid,
    /// How much of the solution is added at each pixel of the frame; all of it where there is none.
    weights: Option<Vec<f32>>,
}

impl Correction {
    /// None when the mode asks for none.
    pub(crate) fn new(blend: Blend, hole: &Hole) -> Option<Self> {
        let weights = match blend {
            Blend::None => return None,
            Blend::Feather => Some(feather_weights(hole)),
            Blend::Poisson => None,
        };
        Some(Self { laplace: Multigrid::new(hole.frame.width as usize, &hole.inside), weights })
    }

    /// What has to be added to one color of the prediction at each pixel of the hole's frame; 0 outside the
    /// hole.
    ///
    /// `difference(index)` is picture less prediction, and is asked for at visible pixels beside the hole
    /// only.
    pub(crate) fn solve(&self, difference: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut correction = self.laplace.solve(difference);
        if let Some(weights) = &self.weights {
            correction.iter_mut().zip(weights).for_each(|(correction, weight)| *correction *= weight);
        }
        correction
    }
}

/// The feathered band's width: this part of the depth of the hole's deepest pixel.
const BAND: f32 = 0.25;

/// The band is at least so many pixels wide, where the hole is that deep.
const NARROWEST: f32 = 4.0;

/// For each pixel of the frame, how much of the rim's difference remains there: nearly 1 beside visible
/// pixels, 0 from the end of the band on, with no kink at either end (smoothstep). 0 outside the hole.
fn feather_weights(hole: &Hole) -> Vec<f32> {
    let distances = hole.distances();
    let pixels = |distance: u16| f32::from(distance) / f32::from(DISTANCE_UNIT);
    let deepest = distances.iter().copied().max().map_or(0.0, pixels);
    let band = (BAND * deepest).max(NARROWEST);
    let weight = |distance: u16| {
        let left = (1.0 - pixels(distance) / (band + 1.0)).max(0.0);
        if distance == 0 { 0.0 } else { left * left * (3.0 - 2.0 * left) }
    };
    distances.into_iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use context_encoder_mask::Mask;

    use super::*;

    #[test]
    fn names_round_trip_and_the_old_one_is_accepted() {
        for blend in Blend::ALL {
            assert_eq!(blend.to_string().parse(), Ok(blend));
        }
        assert_eq!(OLD_NAME_OF_POISSON.parse(), Ok(Blend::Poisson));
        assert!("poison".parse::<Blend>().expect_err("unknown").contains("choose none"));
    }

    #[test]
    fn constant_difference_is_added_everywhere() {
        let mask = Mask::from_fn(40, 30, |x, y| (5..25).contains(&x) && y > 12);
        let hole = Hole::whole(&mask).expect("one");
        let correction = Correction::new(Blend::Poisson, &hole).expect("a mode").solve(|_| 0.25);
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
        let correction = Correction::new(Blend::Feather, &hole).expect("a mode").solve(|_| 1.0);
        assert_eq!(correction[hole.index(30, 30)], 0.0);
        let rim = correction[hole.index(10, 30)];
        assert!(rim > 0.8 && rim < 1.0, "{rim}");
        assert!(correction[hole.index(13, 30)] < rim);
    }

    #[test]
    fn feather_weights_of_a_strip_by_hand() {
        // 9 hidden columns: the deepest is 5 pixels from what is visible, so the band is 4 wide
        let mask = Mask::from_fn(11, 40, |x, _| (1..10).contains(&x));
        let hole = Hole::whole(&mask).expect("one");
        let weights = feather_weights(&hole);
        let row: Vec<f32> = (0..6).map(|x| weights[hole.index(x, 20)]).collect();
        let smoothstep = |left: f32| left * left * (3.0 - 2.0 * left);
        let expected = [0.0, smoothstep(0.8), smoothstep(0.6), smoothstep(0.4), smoothstep(0.2), 0.0];
        assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
    }
}
