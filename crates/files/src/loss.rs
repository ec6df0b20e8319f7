//! What an output does not keep.

use std::fmt;

/// Something of a file that an output does not keep as it was; shown, it is a clause that says so. Changes
/// come first in order, then what is left out.
///
/// ```
/// use context_encoder_files::Loss;
///
/// assert_eq!(Loss::Depth.to_string(), "16 bits become 8");
/// assert_eq!(Loss::Frames(3).to_string(), "3 further frames are left out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Loss {
    /// 16 bits a channel become 8.
    Depth,
    /// Gray of fewer than 8 bits becomes 8 bits.
    Bits,
    /// A palette becomes RGB.
    Palette,
    /// Gray becomes RGB.
    Gray,
    /// Transparency is laid over white.
    Transparency,
    /// An image that was stored without loss is compressed with loss.
    Exactness,
    /// An image that was compressed with loss is stored without, so the file grows.
    Compression,
    /// This many frames of an animation after the first are left out.
    Frames(u32),
    /// This many pages of a TIFF file after the first are left out.
    Pages(u32),
    /// Channels other than color and alpha are left out.
    Channels,
    /// The ICC profile is left out, so colors may look different.
    Profile,
    /// PNG's gamma, chromaticities or code points (gAMA, cHRM, cICP, mDCV, cLLI) are left out, so colors may
    /// look different.
    ColorSpace,
    /// The resolution (pixels per inch or aspect ratio) is left out.
    Resolution,
    /// The EXIF data are left out.
    Exif,
    /// The thumbnail is left out, which would show the image as it was.
    Thumbnail,
    /// XMP data are left out.
    Xmp,
    /// IPTC data are left out.
    Iptc,
    /// PNG's text chunks are left out.
    Text,
    /// JPEG's comment is left out.
    Comment,
    /// Other chunks, segments or tags of the format are left out.
    Other,
    /// Data after the end of a JPEG are left out: mostly further images, a depth map or a video.
    Trailer,
}

/// How a loss is said.
enum Clause {
    /// A whole clause.
    Change(&'static str),
    /// What is left out, and whether it is more than one thing.
    LeftOut(String, bool),
}

impl Loss {
    fn clause(self) -> Clause {
        let one = |what: &str| Clause::LeftOut(what.to_owned(), false);
        let many = |what: &str| Clause::LeftOut(what.to_owned(), true);
        let counted = |count: u32, what: &str| {
            Clause::LeftOut(
                format!("{count} further {what}{}", if count == 1 { "" } else { "s" }),
                count != 1,
            )
        };
        match self {
            Self::Depth => Clause::Change("16 bits become 8"),
            Self::Bits => Clause::Change("grey of fewer than 8 bits becomes 8 bits"),
            Self::Palette => Clause::Change("the palette becomes RGB"),
            Self::Gray => Clause::Change("grey becomes RGB"),
            Self::Transparency => Clause::Change("transparency is laid over white"),
            Self::Exactness => Clause::Change("the picture is compressed with loss"),
            Self::Compression => {
                Clause::Change("what was compressed with loss is stored without, in a larger file")
            }
            Self::Frames(count) => counted(count, "frame"),
            Self::Pages(count) => counted(count, "page"),
            Self::Channels => many("further channels"),
            Self::Profile => one("the colour profile"),
            Self::ColorSpace => one("the PNG colour space"),
            Self::Resolution => one("the resolution"),
            Self::Exif => many("the EXIF data"),
            Self::Thumbnail => one("the thumbnail"),
            Self::Xmp => many("the XMP data"),
            Self::Iptc => many("the IPTC data"),
            Self::Text => one("the PNG text"),
            Self::Comment => one("the JPEG comment"),
            Self::Other => many("other metadata"),
            Self::Trailer => many("data after the picture"),
        }
    }

    /// All `losses` in one sentence without a full stop; `None` when there are none.
    ///
    /// ```
    /// use context_encoder_files::Loss;
    ///
    /// let losses = [Loss::Depth, Loss::Frames(3), Loss::Text];
    /// let sentence = "16 bits become 8; 3 further frames and the PNG text are left out";
    /// assert_eq!(Loss::sentence(&losses).as_deref(), Some(sentence));
    /// assert_eq!(Loss::sentence(&[]), None);
    /// ```
    pub fn sentence(losses: &[Self]) -> Option<String> {
        let (mut clauses, mut subjects, mut plural) = (Vec::new(), Vec::new(), false);
        for loss in losses {
            match loss.clause() {
                Clause::Change(change) => clauses.push(change.to_owned()),
                Clause::LeftOut(subject, is_plural) => {
                    subjects.push(subject);
                    plural |= is_plural;
                }
            }
        }
        let verb = if plural || subjects.len() > 1 { "are" } else { "is" };
        let left_out = match subjects.split_last() {
            Some((last, [])) => Some(format!("{last} {verb} left out")),
            Some((last, others)) => Some(format!("{} and {last} {verb} left out", others.join(", "))),
            None => None,
        };
        clauses.extend(left_out);
        (!clauses.is_empty()).then(|| clauses.join("; "))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::sentence(&[*self]).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_the_right_number() {
        let sentence = |losses: &[Loss]| Loss::sentence(losses).unwrap_or_default();
        assert_eq!(sentence(&[Loss::Frames(1)]), "1 further frame is left out");
        assert_eq!(sentence(&[Loss::Exif]), "the EXIF data are left out");
        assert_eq!(
            sentence(&[Loss::Thumbnail, Loss::Text, Loss::Xmp]),
            "the thumbnail, the PNG text and the XMP data are left out"
        );
    }
}
