//! What is hidden when a model is measured on central holes.

use std::{fmt, str::FromStr};

use context_encoder_mask::{Central, Mask, MaskGenerator, Rect, central_square};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// How much of the central square stays visible along its rim. A visible rim flatters every fill, so
/// results of different protocols never stand in one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// 7 pixels visible, as the paper trains.
    Paper,
    /// 4 pixels visible, as the authors' command line has it.
    Authors,
    /// The whole square hidden.
    #[default]
    Hidden,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Authors, Self::Hidden];

    /// Width of the visible rim, pixels.
    pub fn overlap(self) -> u32 {
        match self {
            Self::Paper => 7,
            Self::Authors => 4,
            Self::Hidden => 0,
        }
    }

    /// The name used on command lines and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Authors => "authors",
            Self::Hidden => "hidden",
        }
    }

    /// The mask for square pictures of this side.
    pub fn mask(self, side: u32) -> Mask {
        // central masks draw nothing from their stream
        Central::new(self.overlap()).generate(side, side, &mut ChaCha8Rng::seed_from_u64(0))
    }

    /// The square over which scores are taken: half the side, rim included.
    ///
    /// ```
    /// use context_encoder_eval::Protocol;
    /// let square = Protocol::Paper.square(128);
    /// assert_eq!((square.x, square.width), (32, 64));
    /// assert_eq!(Protocol::Paper.mask(128).hidden_count(), 50 * 50);
    /// ```
    pub fn square(self, side: u32) -> Rect {
        central_square(side, side)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
            .ok_or_else(|| format!("there is no protocol `{name}`; choose paper, authors or hidden"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(protocol));
        }
        assert!("hiden".parse::<Protocol>().is_err());
    }
}
