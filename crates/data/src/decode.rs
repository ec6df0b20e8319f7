//! Which files are images, by their content, and how one becomes 8-bit RGB, upright.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use context_encoder_files::{ForeignContent, ImageFile};
use image::{ImageError, ImageFormat, RgbImage};

use crate::DataError;

/// What an image file may ask for.
///
/// An image of at least `min_side` that is smaller than a crop is upscaled by the
/// [`Transform`](crate::Transform).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The shortest side that is accepted, in pixels (default 16): a smaller image shows nothing that could
    /// be learned.
    pub min_side: u32,
    /// The longest side that is accepted, in pixels (default 20 000).
    pub max_side: u32,
    /// Bytes that one image may take, as a file and decoded (default 512 MiB).
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
    let format = readable(&bytes).map_err(no_image)?;
    if let Some(reason) = ImageFile::refusal(&bytes, format) {
        return Err(no_image(reason));
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

/// A file with one of these endings claims to be an image; if it is none, that is reported.
const PICTURE_ENDINGS: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "avif", "heic", "heif"];

/// Bytes that distinguish all formats.
pub(crate) const HEAD: usize = ImageFile::HEAD;

/// What a file is to a folder of images.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An image in a format that is decoded.
    Picture(ImageFormat),
    /// An image in another format, or something else with an image's ending: what is wrong with it.
    Skipped(String),
    /// No image, and it does not claim to be one.
    Other,
}

/// Looks at the first bytes of a file.
pub(crate) fn sniff(path: &Path) -> io::Result<Kind> {
    let mut head = Vec::with_capacity(HEAD);
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(kind(&head, claims_to_be_a_picture(path)))
}

/// The format that the first bytes announce, or a sentence that says why the content cannot be decoded.
pub(crate) fn readable(head: &[u8]) -> Result<ImageFormat, String> {
    ImageFile::sniff(head).map_err(|_| match ForeignContent::of(head) {
        Some(content) => content.to_string(),
        None if head.is_empty() => "it is empty; remove it".to_owned(),
        None => "its content is no picture; remove it".to_owned(),
    })
}

fn kind(head: &[u8], claims_to_be_a_picture: bool) -> Kind {
    // Two signatures are so short that text and other files begin with them by chance.
    let weak = match ImageFile::sniff(head) {
        Err(None) => !ForeignContent::of(head).is_some_and(ForeignContent::is_image),
        format => matches!(format, Err(Some(ImageFormat::Pnm | ImageFormat::Ico))),
    };
    match readable(head) {
        Ok(format) => Kind::Picture(format),
        Err(reason) if claims_to_be_a_picture || !weak => Kind::Skipped(reason),
        Err(_) => Kind::Other,
    }
}

/// Whether a file's name ends like an image's.
pub(crate) fn claims_to_be_a_picture(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| PICTURE_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_image_unless_it_is_named_like_one() {
        for text in [&b"BMW drives by a facade, slowly"[..], b"P1 is a road", b"", b"plain"] {
            assert_eq!(kind(text, false), Kind::Other);
            assert!(matches!(kind(text, true), Kind::Skipped(_)));
        }
        assert_eq!(kind(b"", true), Kind::Skipped("it is empty; remove it".to_owned()));
    }

    #[test]
    fn an_image_format_that_is_not_read_is_skipped_with_advice() {
        let Kind::Skipped(reason) = kind(b"GIF89a....", false) else { panic!("a GIF must be skipped") };
        assert_eq!(reason, "it holds GIF, which is not read; convert it to PNG or JPEG");
    }

    #[test]
    fn endings_are_compared_without_case() {
        assert!(claims_to_be_a_picture(Path::new("a/B.JPeG")));
        assert!(!claims_to_be_a_picture(Path::new("a/jpg")));
        assert!(!claims_to_be_a_picture(Path::new("Thumbs.db")));
    }
}
