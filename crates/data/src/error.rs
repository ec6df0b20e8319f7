//! What can go wrong between an image file and a batch.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use image::ImageError;

/// What can go wrong on the way from files to batches.
///
/// Each message is one line, names the file, and says what to do next. Wrong shapes are the caller's bug and
/// panic instead.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
#[non_exhaustive]
pub enum DataError {
    /// The folder is not there, or is no folder.
    #[error("there is no folder {path}: check the path, or create it and put pictures into it")]
    FolderMissing { path: PathBuf },

    /// The folder is there but holds no picture that can be used.
    #[error(
        "no usable picture in {path}: {skipped} skipped{reasons}; put JPEG, PNG, WebP, BMP or TIFF files there"
    )]
    NoPictures {
        path: PathBuf,
        /// How many files looked like pictures and were skipped.
        skipped: usize,
        /// The first few reasons, in parentheses; empty when nothing was skipped.
        reasons: String,
    },

    /// A file or folder cannot be read at all.
    #[error("cannot read {path}: {source}; check that it exists and that its permissions allow reading")]
    Io { path: PathBuf, source: io::Error },

    /// A tar file of pictures, or the index beside it, is damaged.
    #[error("cannot use the shard {path}: {reason}")]
    Shard {
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },

    /// A file that is named or used like a picture holds something else.
    #[error("{path} is not a usable picture: {reason}")]
    NotAPicture {
        path: PathBuf,
        /// What it holds instead, and what to do.
        reason: String,
    },

    /// A picture file is damaged, or uses a variant of its format that cannot be read.
    #[error("cannot decode {path}: {}; replace the file or remove it", one_line(source))]
    Decode { path: PathBuf, source: ImageError },

    /// A picture is too small to learn from.
    #[error(
        "{path} is {width}x{height} pixels, each side must have at least {min_side}: remove it or use a larger one"
    )]
    TooSmall { path: PathBuf, width: u32, height: u32, min_side: u32 },

    /// A picture has a longer side than allowed.
    #[error(
        "{path} is {width}x{height} pixels, no side may exceed {max_side}: scale it down or raise `max_side`"
    )]
    TooLarge { path: PathBuf, width: u32, height: u32, max_side: u32 },

    /// A picture needs more memory than allowed.
    #[error(
        "{path} needs {bytes} bytes of memory, {max_bytes} are allowed: scale it down or raise `max_bytes`"
    )]
    TooMuchMemory { path: PathBuf, bytes: u64, max_bytes: u64 },

    /// A setting makes no sense, alone or together with the pictures at hand.
    #[error("wrong loader setting: {reason}")]
    Settings {
        /// Which one, and what to write instead.
        reason: String,
    },

    /// An unreadable picture could not be replaced, because its replacements were unreadable as well.
    #[error(
        "{name} and {tries} pictures drawn in its place are all unreadable, the first because: {source}; clean the folder"
    )]
    NoGoodPicture {
        /// The picture that was wanted.
        name: String,
        tries: usize,
        /// Why the wanted picture is unreadable.
        source: Arc<DataError>,
    },

    /// The code that makes a batch panicked: a dataset, a mask generator, or this crate.
    #[error("making a batch panicked: {message}; this is a bug in the dataset or the mask generator")]
    Panicked { message: String },
}

/// Decoders end some of their messages with line breaks.
fn one_line(error: &ImageError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
