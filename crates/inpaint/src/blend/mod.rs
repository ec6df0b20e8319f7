//! How a prediction meets the picture around it.

mod feather;
pub(crate) mod multigrid;
mod poisson;

use std::{fmt, str::FromStr};

pub(crate) use poisson::Correction;

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
    /// Blending in the gradient domain (Pérez, Gangnet, Blake, "Poisson Image Editing", 2003, in its membrane
    /// form): the prediction keeps its gradients, its values follow from the picture along the rim. The rim's
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
            Self::Poisson => "membrane",
        }
    }
}

impl fmt::Display for Blend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Blend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|blend| blend.name() == name)
            .ok_or_else(|| format!("there is no blend mode `{name}`; choose none, feather or membrane"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for blend in Blend::ALL {
            assert_eq!(blend.to_string().parse(), Ok(blend));
        }
        assert!("poison".parse::<Blend>().expect_err("unknown").contains("choose none"));
    }
}
