//! From a file's bytes to its parts.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, ImageResult};

use crate::channels::{Channels, split};
use crate::{Limits, PhotoError, Photograph, exif, jpeg};

/// The formats that are read and written.
pub(crate) const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff];

/// What is said of CMYK pictures. Their profile would be wrong for RGB, and inks cannot be had back from RGB.
const INKS: &str = "its colours are printing inks (CMYK); convert it to RGB";

/// The bytes of a file within the limits.
pub(crate) fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, PhotoError> {
    let failed = |source| PhotoError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(unusable(path, "it is a folder; name a picture's file"));
    }
    if metadata.len() > limits.max_bytes {
        let reason =
            format!("it has {} bytes, at most {} are read; scale it down", metadata.len(), limits.max_bytes);
        return Err(unusable(path, reason));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // A file that grows meanwhile must not grow without end here.
    file.take(limits.max_bytes).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Takes a picture apart; `path` is for messages.
pub(crate) fn decode(bytes: &[u8], path: &Path, limits: &Limits) -> Result<Photograph, PhotoError> {
    let format = format(bytes, path)?;
    let head = (format == ImageFormat::Jpeg).then(|| jpeg::head(bytes));
    if head.as_ref().is_some_and(|head| head.components == 4) {
        return Err(unusable(path, INKS));
    }
    if head.as_ref().is_some_and(|head| !head.complete) {
        return Err(unusable(path, "the JPEG was cut off before its end; copy or download it again"));
    }
    let failed = |source| PhotoError::Damaged { path: path.to_owned(), source };
    let mut decoder = decoder(bytes, format, limits).map_err(failed)?;
    limits.check_pixels(path, decoder.dimensions())?;
    if matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16) {
        return Err(unusable(path, INKS));
    }
    // Profile and EXIF data that cannot be read are as good as none: every viewer shows such pictures without them.
    let icc_profile = decoder.icc_profile().ok().flatten();
    let mut exif = decoder.exif_metadata().ok().flatten().map(exif::without_prefix);
    let orientation = decoder
        .orientation()
        .ok()
        .filter(|&orientation| orientation != Orientation::NoTransforms)
        .or_else(|| exif.as_deref().and_then(Orientation::from_exif_chunk))
        .unwrap_or(Orientation::NoTransforms);
    decoder.set_limits(limits.for_decoder()).map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    if let Some(exif) = &mut exif {
        exif::make_upright(exif, orientation);
    }
    let Some(Channels { pixels, alpha, grey }) = split(picture) else {
        return Err(unusable(
            path,
            "its colours are floating-point numbers; save it with 8 or 16 bits a channel",
        ));
    };
    Ok(Photograph { pixels, alpha, grey, format, icc_profile, exif, jpeg: head.and_then(|head| head.style) })
}

/// The decoder of a file, which has read no pixels yet.
fn decoder<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    limits: &Limits,
) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
    if format == ImageFormat::Tiff {
        // Once it has limits, this decoder (image 0.25.10) finds no profile; they are set after the profile was read.
        return Ok(Box::new(TiffDecoder::new(Cursor::new(bytes))?));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.for_decoder());
    Ok(Box::new(reader.into_decoder()?))
}

/// The format that the first bytes announce, if it is one that is read.
fn format(bytes: &[u8], path: &Path) -> Result<ImageFormat, PhotoError> {
    match image::guess_format(bytes) {
        Ok(format) if FORMATS.contains(&format) => Ok(format),
        Ok(format) => {
            Err(unusable(path, format!("it holds {format:?}, which is not read; convert it to PNG or JPEG")))
        }
        Err(_) if bytes.is_empty() => Err(unusable(path, "it is empty; copy or download it again")),
        Err(_) => Err(unusable(path, "its content is no picture; give a JPEG, PNG, TIFF, WebP or BMP")),
    }
}

fn unusable(path: &Path, reason: impl Into<String>) -> PhotoError {
    PhotoError::Unusable { path: path.to_owned(), reason: reason.into() }
}
