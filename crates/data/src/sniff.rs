//! What a file holds, by its first bytes and not by its name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use context_encoder_files::ImageFile;
use image::ImageFormat;

/// A file with one of these endings claims to be an image; if it is none, its owner should be told.
const PICTURE_ENDINGS: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "avif", "heic", "heif"];

/// Bytes that tell all formats apart.
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
    ImageFile::sniff(head).map_err(|other| match other {
        Some(format) => format!("it holds {format:?}, which is not read; convert it to PNG or JPEG"),
        None if head.is_empty() => "it is empty; remove it".to_owned(),
        None => "its content is no picture; remove it".to_owned(),
    })
}

fn kind(head: &[u8], claims_to_be_a_picture: bool) -> Kind {
    // Two signatures are so short that text and other files begin with them by chance.
    let weak = matches!(ImageFile::sniff(head), Err(None | Some(ImageFormat::Pnm | ImageFormat::Ico)));
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
        assert_eq!(reason, "it holds Gif, which is not read; convert it to PNG or JPEG");
    }

    #[test]
    fn endings_are_compared_without_case() {
        assert!(claims_to_be_a_picture(Path::new("a/B.JPeG")));
        assert!(!claims_to_be_a_picture(Path::new("a/jpg")));
        assert!(!claims_to_be_a_picture(Path::new("Thumbs.db")));
    }
}
