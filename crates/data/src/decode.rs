//! An image file becomes 8-bit RGB, upright.

use std::io::Cursor;
use std::path::Path;

use context_encoder_files::ImageFile;
use image::{ImageError, RgbImage};

use crate::{DataError, sniff};

/// What an image file may ask for.
///
/// | field | default | purpose |
/// |---|---|---|
/// | `min_side` | 16 px | a smaller image shows nothing that could be learned; it is an error, not upscaled |
/// | `max_side` | 20 000 px | stops absurd images early |
/// | `max_bytes` | 512 MiB | memory for one decoded image, and the size of its file |
///
/// An image of at least `min_side` that is smaller than a crop is upscaled by the
/// [`Transform`](crate::Transform).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The shortest side that is accepted, in pixels.
    pub min_side: u32,
    /// The longest side that is accepted, in pixels.
    pub max_side: u32,
    /// Bytes that one image may take, as a file and decoded.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_side: 16, max_side: 20_000, max_bytes: 512 << 20 }
    }
}

/// Reads an image file as 8-bit RGB, turned upright.
///
/// The content decides the format, not the name: JPEG, PNG, WebP, BMP or TIFF. The EXIF
/// orientation is applied. Gray, palette, 16-bit, floating-point and CMYK images become 8-bit RGB.
/// Transparent images are laid over white, as browsers and viewers show them, so that the colors stored under
/// transparent pixels never appear. Of an animation the first frame is read.
///
/// # Errors
/// [`DataError::Io`], [`DataError::NotAPicture`], [`DataError::Decode`], [`DataError::TooSmall`],
/// [`DataError::TooLarge`] or [`DataError::TooMuchMemory`], each with the path inside. A JPEG that was cut
/// off is an error as well, although its beginning could be shown.
///
/// # Examples
/// ```
/// use context_encoder_data::{Limits, decode};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("door.png");
/// image::GrayImage::from_pixel(20, 30, image::Luma([77])).save(&path)?;
/// let image = decode(&path, &Limits::default())?;
/// assert_eq!(image.dimensions(), (20, 30));
/// assert_eq!(image.get_pixel(0, 0).0, [77, 77, 77]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode(path: &Path, limits: &Limits) -> Result<RgbImage, DataError> {
    decode_bytes(read(path, limits)?, path, limits)
}

/// [`decode`] of a file's content; `path` is what errors call it.
pub(crate) fn decode_bytes(bytes: Vec<u8>, path: &Path, limits: &Limits) -> Result<RgbImage, DataError> {
    let no_image = |reason| DataError::NotAPicture { path: path.to_owned(), reason };
    let format = sniff::readable(&bytes).map_err(no_image)?;
    if ImageFile::is_cut_off(&bytes, format) {
        return Err(no_image("the JPEG was cut off before its end; copy or download it again".to_owned()));
    }
    let fail = |source: ImageError| DataError::Decode { path: path.to_owned(), source };
    let mut file = ImageFile::open(Cursor::new(bytes), format, limits.max_bytes).map_err(fail)?;
    limits.check(path, file.dimensions(), file.decoded_bytes())?;
    let orientation = file.orientation().map_err(fail)?;
    file.decode_rgb(orientation).map_err(fail)
}

fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, DataError> {
    let max_bytes = limits.max_bytes;
    ImageFile::read(path, max_bytes)
        .map_err(|source| DataError::Io { path: path.to_owned(), source })?
        .map_err(|bytes| DataError::TooMuchMemory { path: path.to_owned(), bytes, max_bytes })
}

impl Limits {
    fn check(&self, path: &Path, (width, height): (u32, u32), bytes: u64) -> Result<(), DataError> {
        let path = path.to_owned();
        let Self { min_side, max_side, max_bytes } = *self;
        if width.min(height) < min_side {
            Err(DataError::TooSmall { path, width, height, min_side })
        } else if width.max(height) > max_side {
            Err(DataError::TooLarge { path, width, height, max_side })
        } else if bytes > max_bytes {
            Err(DataError::TooMuchMemory { path, bytes, max_bytes })
        } else {
            Ok(())
        }
    }
}
