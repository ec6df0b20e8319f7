//! What a file holds beside its pixels that its decoder does not tell.

use crate::Loss;
use crate::resolution::Resolution;

/// What a file holds beside its pixels that its decoder does not tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    /// What no output keeps.
    pub(crate) dropped: Vec<Loss>,
    pub(crate) resolution: Option<Resolution>,
    /// PNG's chunks that say what the colors are, each with its length and checksum.
    pub(crate) png_color: Vec<u8>,
    pub(crate) color_space: ColorSpace,
    /// Whether a file of a format that is written without loss was compressed with loss.
    pub(crate) lossy: bool,
    /// How a TIFF file stores its pixels.
    pub(crate) tiff: Option<TiffStyle>,
    /// A TIFF file's EXIF data, which its decoder does not give.
    pub(crate) exif: Option<Vec<u8>>,
}

/// How a TIFF file stores its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TiffStyle {
    /// The tag's value; one that is not written means none.
    pub(crate) compression: u32,
    /// Whether each pixel is stored as its difference to the one before.
    pub(crate) predicted: bool,
    /// What the fourth channel is; `None` when the file does not say.
    pub(crate) alpha: Option<AlphaKind>,
}

/// What an alpha channel means for the colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlphaKind {
    /// They are multiplied by it already.
    Associated,
    Unassociated,
}

/// What PNG's chunks say about colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ColorSpace {
    /// Nothing, or sRGB, which is what an image is taken for that says nothing.
    #[default]
    Default,
    /// Gamma or chromaticities, which count where there is no color profile.
    Calibrated,
    /// Code points, which come before a color profile.
    CodePoints,
}

impl Metadata {
    /// Notes that something is not kept, once.
    pub(crate) fn lose_if(&mut self, lost: bool, loss: Loss) {
        if lost && !self.dropped.contains(&loss) {
            self.dropped.push(loss);
        }
    }
}
