//! A picture file becomes 8-bit RGB, upright.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage, RgbaImage};

use crate::{DataError, jpeg, sniff};

/// What a picture file may ask for.
///
/// | field | default | purpose |
/// |---|---|---|
/// | `min_side` | 16 px | a smaller picture shows nothing that could be learnt; it is refused, not upscaled |
/// | `max_side` | 20 000 px | stops absurd pictures early |
/// | `max_bytes` | 512 MiB | memory for one decoded picture, and the size of its file |
///
/// A picture of at least `min_side` that is smaller than a crop is upscaled by the [`Transform`](crate::Transform).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The shortest side that is accepted, in pixels.
    pub min_side: u32,
    /// The longest side that is accepted, in pixels.
    pub max_side: u32,
    /// Bytes that one picture may take, as a file and decoded.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_side: 16, max_side: 20_000, max_bytes: 512 << 20 }
    }
}

/// Reads a picture file as 8-bit RGB, turned upright.
///
/// The format is told by the file's content: JPEG, PNG, WebP, BMP or TIFF, whatever its name says. The EXIF
/// orientation is applied. Grey, palette, 16-bit, floating-point and CMYK pictures become 8-bit RGB.
/// Transparent pictures are laid over white, as browsers and picture viewers show them, so a drawing without a
/// background looks as its author saw it and the colour stored under transparent pixels never appears.
/// Of an animation the first frame is read.
///
/// # Errors
/// [`DataError::Io`], [`DataError::NotAPicture`], [`DataError::Decode`], [`DataError::TooSmall`],
/// [`DataError::TooLarge`] or [`DataError::TooMuchMemory`], each with the path inside. A JPEG that was cut off
/// is an error as well, although its beginning could be shown.
///
/// # Examples
/// ```
/// use context_encoder_data::{Limits, decode};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("door.png");
/// image::GrayImage::from_pixel(20, 30, image::Luma([77])).save(&path)?;
/// let picture = decode(&path, &Limits::default())?;
/// assert_eq!(picture.dimensions(), (20, 30));
/// assert_eq!(picture.get_pixel(0, 0).0, [77, 77, 77]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode(path: &Path, limits: &Limits) -> Result<RgbImage, DataError> {
    decode_bytes(read(path, limits)?, path, limits)
}

/// [`decode`] of a file's content; `path` is what errors call it.
pub(crate) fn decode_bytes(bytes: Vec<u8>, path: &Path, limits: &Limits) -> Result<RgbImage, DataError> {
    let format =
        sniff::readable(&bytes).map_err(|reason| DataError::NotAPicture { path: path.to_owned(), reason })?;
    if format == ImageFormat::Jpeg && !jpeg::is_complete(&bytes) {
        let reason = "the JPEG was cut off before its end; copy or download it again".to_owned();
        return Err(DataError::NotAPicture { path: path.to_owned(), reason });
    }
    let fail = |source: ImageError| DataError::Decode { path: path.to_owned(), source };

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.for_decoder());
    let mut decoder = reader.into_decoder().map_err(fail)?;
    limits.check(path, decoder.dimensions(), decoder.total_bytes())?;
    let orientation = decoder.orientation().map_err(fail)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(fail)?;
    picture.apply_orientation(orientation);
    Ok(opaque_rgb(picture))
}

fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, DataError> {
    let fail = |source| DataError::Io { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(fail)?.len();
    if length > limits.max_bytes {
        let (bytes, max_bytes) = (length, limits.max_bytes);
        return Err(DataError::TooMuchMemory { path: path.to_owned(), bytes, max_bytes });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // A file that grows meanwhile must not grow without end here.
    File::open(path).and_then(|file| file.take(limits.max_bytes).read_to_end(&mut bytes)).map_err(fail)?;
    Ok(bytes)
}

impl Limits {
    fn for_decoder(&self) -> image::Limits {
        let mut limits = image::Limits::default();
        limits.max_alloc = Some(self.max_bytes);
        limits
    }

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

/// Eight bits a channel, laid over white where the picture is transparent.
fn opaque_rgb(picture: DynamicImage) -> RgbImage {
    if picture.color().has_alpha() { over_white(&picture.into_rgba8()) } else { picture.into_rgb8() }
}

/// `(alpha * colour + (255 - alpha) * 255) / 255` for each channel, rounded to the nearest.
fn over_white(picture: &RgbaImage) -> RgbImage {
    let mut opaque = RgbImage::new(picture.width(), picture.height());
    for (target, source) in opaque.pixels_mut().zip(picture.pixels()) {
        let [red, green, blue, alpha] = source.0.map(u32::from);
        target.0 =
            [red, green, blue].map(|colour| ((alpha * colour + (255 - alpha) * 255 + 127) / 255) as u8);
    }
    opaque
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    #[test]
    fn transparent_pixels_become_white_and_half_transparent_ones_lighter() {
        let over = |pixel| over_white(&RgbaImage::from_pixel(1, 1, Rgba(pixel))).get_pixel(0, 0).0;
        assert_eq!(over([10, 20, 30, 0]), [255, 255, 255]);
        assert_eq!(over([10, 20, 30, 255]), [10, 20, 30]);
        // 128/255 of 0 and 127/255 of 255 is 127; of 255 all stays 255; of 100: (12800 + 32385) / 255 = 177.2
        assert_eq!(over([0, 255, 100, 128]), [127, 255, 177]);
    }

    #[test]
    fn limits_name_what_is_exceeded() {
        let limits = Limits { min_side: 16, max_side: 100, max_bytes: 1000 };
        let check = |size, bytes| limits.check(Path::new("a.png"), size, bytes);
        assert!(check((16, 100), 1000).is_ok());
        assert!(matches!(check((15, 100), 1), Err(DataError::TooSmall { min_side: 16, .. })));
        assert!(matches!(check((101, 16), 1), Err(DataError::TooLarge { max_side: 100, .. })));
        assert!(matches!(check((16, 16), 1001), Err(DataError::TooMuchMemory { bytes: 1001, .. })));
    }
}
