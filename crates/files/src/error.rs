//! What can go wrong between an image file and its pixels.

use std::io;
use std::path::PathBuf;

use image::ImageError;

/// What can go wrong with a picture's file; each message is one line that names the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhotoError {
    /// A file that cannot be read at all.
    #[error("cannot read {}: {source}; check that it exists and that you may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is no picture of a format that is read, or a kind of picture that cannot be given back.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What it holds, and what to do.
        reason: String,
    },
    /// A damaged picture.
    #[error("{} is damaged: {}; copy or download it again", path.display(), one_line(source))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: ImageError,
    },
    /// A picture with more pixels than allowed.
    #[error(
        "{} is {width}x{height}, more than {max_megapixels} million pixels: scale it down or cut it into parts",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Millions of pixels that are allowed.
        max_megapixels: u64,
    },
    /// The name of an output that names no format.
    #[error("{} names no picture format: let it end in .jpg, .png, .tiff, .webp or .bmp", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A picture that its format cannot hold.
    #[error("the picture cannot be written as {format}: {reason}")]
    Encode {
        /// The format.
        format: &'static str,
        /// What the encoder said.
        reason: String,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {source}; check that its folder exists, is writable and has space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Decoders end some of their messages with line breaks.
fn one_line(error: &ImageError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
