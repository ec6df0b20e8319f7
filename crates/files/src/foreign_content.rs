//! What a file holds that is no image this library reads.

use std::fmt;

use image::ImageFormat;

use crate::image_file::FORMATS;

/// What the first bytes of a file say that it holds, where it is nothing that is read; shown, it is a
/// sentence that says so and what to do.
///
/// ```
/// use context_encoder_files::ForeignContent;
///
/// let head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
/// let content = ForeignContent::of(head).expect("known");
/// assert_eq!(content.to_string(), "it holds HEIC, which is not read; convert it to PNG or JPEG");
/// let page = ForeignContent::of(b"<!DOCTYPE html>").expect("known");
/// assert!(page.to_string().starts_with("it is a web page") && !page.is_image());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignContent(Content);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// An image in a format of this name.
    Image(&'static str),
    /// The file's place is taken by something else: what, and what to do.
    Other(&'static str),
}

/// How files begin, and what they are then.
const BEGINNINGS: [(&[u8], Content); 10] = [
    (b"\0\0\0\x0cjP  ", Content::Image("JPEG 2000")),
    (b"\xff\x4f\xff\x51", Content::Image("JPEG 2000")),
    (b"\0\0\0\x0cJXL ", Content::Image("JPEG XL")),
    (b"\xff\x0a", Content::Image("JPEG XL")),
    (b"II\x2b\0", Content::Image("BigTIFF")),
    (b"MM\0\x2b", Content::Image("BigTIFF")),
    (b"8BPS", Content::Image("a Photoshop document")),
    (b"%PDF-", Content::Image("a PDF document")),
    (
        b"version https://git-lfs.github",
        Content::Other("it is a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`"),
    ),
    (b"\x1f\x8b", Content::Other("it is compressed with gzip; unpack it first")),
];

const WEB_PAGE: Content =
    Content::Other("it is a web page, which servers send in place of a missing file; download it again");

impl ForeignContent {
    /// What a file with these first bytes holds; nothing where they are those of an image that is read, or
    /// say nothing.
    pub fn of(head: &[u8]) -> Option<Self> {
        let begins = |beginning: &&(&[u8], Content)| head.starts_with(beginning.0);
        if let Some((_, content)) = BEGINNINGS.iter().find(begins) {
            return Some(Self(*content));
        }
        // ISO media files: their brand says which.
        let brand = head.get(4..).and_then(|box_type| box_type.strip_prefix(b"ftyp")).unwrap_or_default();
        let heif: [&[u8]; 6] = [b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"];
        if heif.iter().any(|heif| brand.starts_with(heif)) {
            return Some(Self(Content::Image("HEIC")));
        }
        let text = head.trim_ascii_start();
        let is_page = |tag: &[u8]| text.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag));
        if is_page(b"<!doctype html") || is_page(b"<html") {
            return Some(Self(WEB_PAGE));
        }
        let format = image::guess_format(head).ok().filter(|format| !FORMATS.contains(format))?;
        Some(Self(Content::Image(match format {
            ImageFormat::Avif => "AVIF",
            ImageFormat::Gif => "GIF",
            ImageFormat::Pnm => "PPM, PGM or PBM",
            ImageFormat::Ico => "an icon",
            ImageFormat::Hdr => "Radiance HDR",
            ImageFormat::OpenExr => "OpenEXR",
            ImageFormat::Farbfeld => "farbfeld",
            ImageFormat::Qoi => "QOI",
            ImageFormat::Dds => "DDS",
            _ => "another image format",
        })))
    }

    /// Whether it is an image.
    pub fn is_image(self) -> bool {
        matches!(self.0, Content::Image(_))
    }
}

impl fmt::Display for ForeignContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Content::Image(name) => {
                write!(f, "it holds {name}, which is not read; convert it to PNG or JPEG")
            }
            Content::Other(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_files_are_named_for_what_they_are() {
        for (head, part) in [
            (&b"\0\0\0\x20ftypavif\0\0\0\0"[..], "AVIF"),
            (b"\0\0\0\x24ftypmif1\0\0\0\0", "HEIC"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
            (b"P6\n2 2\n255\n", "PPM"),
            (b"GIF89a", "GIF"),
            (b"II\x2b\0\x08\0\0\0", "BigTIFF"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"\n  <HTML><body>", "web page"),
            (b"\x1f\x8b\x08\0", "gzip"),
        ] {
            let content = ForeignContent::of(head).map(|content| content.to_string()).unwrap_or_default();
            assert!(content.contains(part), "{part}: {content}");
        }
    }

    #[test]
    fn images_that_are_read_and_unknown_bytes_are_not_foreign() {
        let heads: [&[u8]; 7] = [
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xe0",
            b"II\x2a\0",
            b"RIFF\x10\0\0\0WEBPVP8 ",
            b"plain text",
            b"<svg",
            b"",
        ];
        for head in heads {
            assert_eq!(ForeignContent::of(head), None, "{head:?}");
        }
    }
}
