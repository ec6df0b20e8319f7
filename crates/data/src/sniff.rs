//! What a file holds, told by its first bytes and not by its name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use image::ImageFormat;

/// The formats that are decoded.
const READ: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff];

/// A file with one of these endings says that it is a picture; if it is none, its owner should be told.
const PICTURE_ENDINGS: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "avif", "heic", "heif"];

/// Sizes that the second header of a BMP file can have; "BM" alone also begins ordinary text.
const BMP_HEADER_SIZES: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

/// Bytes that tell all formats apart.
pub(crate) const HEAD: usize = 32;

/// What a file is to a folder of pictures.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A picture in a format that is decoded.
    Picture(ImageFormat),
    /// A picture in another format, or something else with a picture's ending: what is wrong with it.
    Skipped(String),
    /// No picture, and it does not claim to be one.
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
    match announced(head) {
        Some(format) if READ.contains(&format) => Ok(format),
        Some(format) => Err(format!("it holds {format:?}, which is not read; convert it to PNG or JPEG")),
        None if head.is_empty() => Err("it is empty; remove it".to_owned()),
        None => Err("its content is no picture; remove it".to_owned()),
    }
}

fn kind(head: &[u8], claims_to_be_a_picture: bool) -> Kind {
    // Two signatures are so short that text and other files begin with them by chance.
    let strong = !matches!(announced(head), None | Some(ImageFormat::Pnm | ImageFormat::Ico));
    match readable(head) {
        Ok(format) => Kind::Picture(format),
        Err(reason) if claims_to_be_a_picture || strong => Kind::Skipped(reason),
        Err(_) => Kind::Other,
    }
}

fn announced(head: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(head).ok()?;
    if format == ImageFormat::Bmp {
        let size = u32::from_le_bytes(head.get(14..18)?.try_into().ok()?);
        return BMP_HEADER_SIZES.contains(&size).then_some(format);
    }
    Some(format)
}

pub(crate) fn claims_to_be_a_picture(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| PICTURE_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    #[test]
    fn content_decides_whatever_the_name_says() {
        assert_eq!(kind(PNG, false), Kind::Picture(ImageFormat::Png));
        assert_eq!(kind(b"\xff\xd8\xff\xe0", true), Kind::Picture(ImageFormat::Jpeg));
        assert_eq!(kind(b"RIFF\x10\0\0\0WEBPVP8 ", false), Kind::Picture(ImageFormat::WebP));
    }

    #[test]
    fn text_is_no_picture_unless_it_is_named_like_one() {
        for text in [&b"BMW drives by a facade, slowly"[..], b"P1 is a road", b"", b"plain"] {
            assert_eq!(kind(text, false), Kind::Other);
            assert!(matches!(kind(text, true), Kind::Skipped(_)));
        }
        assert_eq!(kind(b"", true), Kind::Skipped("it is empty; remove it".to_owned()));
    }

    #[test]
    fn a_bitmap_needs_a_plausible_second_header() {
        let mut head = *b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0";
        assert_eq!(kind(&head, false), Kind::Picture(ImageFormat::Bmp));
        head[14] = 41;
        assert_eq!(kind(&head, false), Kind::Other);
    }

    #[test]
    fn a_picture_format_that_is_not_read_is_refused_with_advice() {
        let Kind::Skipped(reason) = kind(b"GIF89a....", false) else { panic!("a GIF must be refused") };
        assert_eq!(reason, "it holds Gif, which is not read; convert it to PNG or JPEG");
    }

    #[test]
    fn endings_are_compared_without_case() {
        assert!(claims_to_be_a_picture(Path::new("a/B.JPeG")));
        assert!(!claims_to_be_a_picture(Path::new("a/jpg")));
        assert!(!claims_to_be_a_picture(Path::new("Thumbs.db")));
    }
}
