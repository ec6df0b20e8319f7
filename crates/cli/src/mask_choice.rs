//! Which masks are drawn, and for pictures of what size.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use context_encoder::{
    data::Facades,
    mask::{MaskGenerator, MaskKind},
};
use miette::{IntoDiagnostic, Result};

/// The choice of a mask generator.
#[derive(Args)]
pub struct MaskChoice {
    /// What masks hide
    #[arg(long, value_enum, default_value_t = Kind::RandomRegion)]
    kind: Kind,
    /// Visible pixels along each inner side of the central square
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    overlap: u32,
    /// Folder of shapes for random regions, white on black or class masks; a noise pattern without it
    #[arg(long, value_name = "DIR")]
    silhouettes: Option<PathBuf>,
}

/// The generators of the library.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// The central square
    Central,
    /// Several squares, which may overlap
    RandomBlock,
    /// Arbitrary shapes
    RandomRegion,
}

impl Kind {
    /// As the library names it, with what belongs to it.
    pub fn with(self, overlap: u32, silhouettes: Option<PathBuf>) -> MaskKind {
        match self {
            Self::Central => MaskKind::Central { overlap },
            Self::RandomBlock => MaskKind::RandomBlock,
            Self::RandomRegion => MaskKind::RandomRegion { silhouettes },
        }
    }
}

impl MaskChoice {
    /// The kind as the library names it.
    pub fn kind(&self) -> MaskKind {
        self.kind.with(self.overlap, self.silhouettes.clone())
    }

    /// The generator; for silhouettes, this reads their folder.
    pub fn generator(&self) -> Result<Box<dyn MaskGenerator>> {
        self.kind().build().into_diagnostic()
    }
}

/// Width and height that masks and facades can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSize {
    pub width: u32,
    pub height: u32,
}

/// The longest side that is drawn.
const MAX_SIDE: u32 = 16_384;

impl FromStr for PictureSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, aspect) = (Facades::MIN_SIDE, Facades::MAX_ASPECT);
        let side = |text: &str| text.parse::<u32>().ok().filter(|side| (least..=MAX_SIDE).contains(side));
        text.split_once('x')
            .and_then(|(width, height)| Some(Self { width: side(width)?, height: side(height)? }))
            .filter(|size| size.width.max(size.height).div_ceil(size.width.min(size.height)) <= aspect)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no size; write it like 256x192, sides from {least} to {MAX_SIDE}, one at most \
                     {aspect} times the other"
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_numbers() {
        assert_eq!("256x192".parse(), Ok(PictureSize { width: 256, height: 192 }));
        for wrong in ["256", "x", "256x", "15x256", "16x256", "256x99999", "256X192"] {
            assert!(wrong.parse::<PictureSize>().is_err(), "{wrong}");
        }
    }
}
