//! What can go wrong with masks that come from outside.

use std::io;
use std::path::PathBuf;

use image::ImageError;

/// What can go wrong with masks that come from outside: files, folders and parameters.
///
/// Each message is one line that says what to do next; where another error caused it, that one is its
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The number of values is not the number of pixels.
    #[error(
        "a {width}x{height} mask needs one value a pixel, {}, but {actual} were given: pass them row by row",
        u64::from(*width) * u64::from(*height)
    )]
    Length {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
        /// Values given.
        actual: usize,
    },
    /// A noise pattern that cannot be drawn with cells of this width.
    #[error(
        "a cell of {cell} pixels: choose 2 to 1000 pixels for the noise pattern, and none beside a folder of silhouettes"
    )]
    Cell {
        /// Pixels.
        cell: u32,
    },
    /// A mask without a single pixel.
    #[error("a {width}x{height} mask has no pixels: both sides must be at least 1")]
    NoPixels {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
    },
    /// A file or folder that cannot be opened or read.
    #[error("cannot read {}: check that it exists and that you may read it", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is no picture, or a damaged or oversized one.
    #[error(
        "{} is not a picture that can be read: save it again as PNG, JPEG, WebP, BMP or TIFF",
        path.display()
    )]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: ImageError,
    },
    /// A mask file that cannot be written.
    #[error("cannot write the mask {}: check that its folder exists and is writable", path.display())]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the system or the encoder said.
        source: ImageError,
    },
    /// A mask whose size is not that of the picture it is for.
    #[error(
        "the mask {} is {}x{} but the picture is {}x{}: resize the mask to the picture's size",
        path.display(), actual.0, actual.1, expected.0, expected.1
    )]
    Size {
        /// The mask's file.
        path: PathBuf,
        /// Width and height of the picture.
        expected: (u32, u32),
        /// Width and height of the mask.
        actual: (u32, u32),
    },
    /// A mask that hides nothing.
    #[error(
        "the mask {} hides nothing: paint what is to be filled white, or in any colour \
         on a transparent layer",
        path.display()
    )]
    Empty {
        /// The mask's file.
        path: PathBuf,
    },
    /// A mask that leaves nothing visible.
    #[error(
        "the mask {} hides the whole picture: leave the context, which the fill is made from, \
         black or transparent",
        path.display()
    )]
    Full {
        /// The mask's file.
        path: PathBuf,
    },
    /// A picture in a folder of silhouettes that holds no shape.
    #[error(
        "{} holds no shape of {least} pixels or more that leaves some background: draw it white on black, \
         or as class numbers",
        path.display()
    )]
    NoShape {
        /// The picture.
        path: PathBuf,
        /// The fewest pixels a shape may have.
        least: usize,
    },
    /// A folder of silhouettes without one usable shape.
    #[error(
        "no usable silhouette among the {files} files in {}: put pictures there, white shapes on black or class \
         masks such as PASCAL VOC's SegmentationClass",
        path.display()
    )]
    NoSilhouettes {
        /// The folder.
        path: PathBuf,
        /// How many files were tried.
        files: usize,
    },
    /// Parameters that contradict each other or lie outside of their range.
    #[error("the block parameters cannot be met: {reason}")]
    BlockParameters {
        /// Which rule they break, and what would meet it.
        reason: String,
    },
    /// A probability of dropping a pixel that hides nothing or everything.
    #[error("the share of dropped pixels is {probability}: write a number above 0 and below 1, such as 0.25")]
    DropProbability {
        /// What was asked for.
        probability: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_with_path_and_numbers() {
        let error = MaskError::Size { path: "hole.png".into(), expected: (128, 96), actual: (64, 48) };
        assert_eq!(
            error.to_string(),
            "the mask hole.png is 64x48 but the picture is 128x96: resize the mask to the picture's size"
        );
        let error = MaskError::NoSilhouettes { path: "shapes".into(), files: 2 };
        assert!(!error.to_string().contains('\n'));
        assert!(error.to_string().contains("2 files in shapes: put pictures there"));
    }
}
