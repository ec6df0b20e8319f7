//! What an output format cannot hold.

use std::fmt;

/// Something of a photograph that is lost in a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// 16 bits a channel become 8.
    Depth,
    /// Transparency is laid over white.
    Transparency,
    /// The ICC profile is left out, so colours may look different.
    Profile,
    /// The EXIF data are left out.
    Exif,
    /// A picture that was stored without loss is compressed with loss.
    Exactness,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "16 bits become 8",
            Self::Transparency => "transparency is laid over white",
            Self::Profile => "the colour profile is left out",
            Self::Exif => "the EXIF data are left out",
            Self::Exactness => "the picture is compressed with loss",
        })
    }
}
