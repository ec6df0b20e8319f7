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
    /// The data of a camera's sensor.
    RawFile,
    /// The file's place is taken by something else: what, and what to do.
    Other(&'static str),
}

/// How files begin, and what they are then.
const BEGINNINGS: [(&[u8], Content); 15] = [
    (b"\0\0\0\x0cjP  ", Content::Image("JPEG 2000")),
    (b"\xff\x4f\xff\x51", Content::Image("JPEG 2000")),
    (b"\0\0\0\x0cJXL ", Content::Image("JPEG XL")),
    (b"\xff\x0a", Content::Image("JPEG XL")),
    (b"II\x2b\0", Content::Image("BigTIFF")),
    (b"MM\0\x2b", Content::Image("BigTIFF")),
    (b"II\x55\0", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"8BPS", Content::Image("a Photoshop document")),
    (b"%PDF-", Content::Image("a PDF document")),
    (
        b"version https://git-lfs.github",
        Content::Other("it is a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`"),
    ),
    (b"\x1f\x8b", Content::Other("it is compressed with gzip; unpack it first")),
];

/// Those of Panasonic, Olympus, Fujifilm and Canon, whose files do not begin like TIFF.
const RAW: Content = Content::RawFile;

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
        if brand.starts_with(b"crx ") {
            return Some(Self(RAW));
        }
        if is_tga(head) {
            return Some(Self(Content::Image("TGA")));
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
        matches!(self.0, Content::Image(_) | Content::RawFile)
    }
}

impl fmt::Display for ForeignContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Content::Image(name) => {
                write!(f, "it holds {name}, which is not read; convert it to PNG or JPEG")
            }
            Content::RawFile => {
                f.write_str("it is a camera's raw file, which is not read; develop it to TIFF or JPEG first")
            }
            Content::Other(what) => f.write_str(what),
        }
    }
}

/// Whether a file begins with the header of TGA, which has no signature: a palette or none, one of its kinds
/// of image, sides, and bits of a pixel.
fn is_tga(head: &[u8]) -> bool {
    let Some(&[_, palette, kind, p0, p1, p2, p3, p4, _, _, _, _, w0, w1, h0, h1, bits, flags]) =
        head.first_chunk::<18>()
    else {
        return false;
    };
    let colors = match (palette, kind) {
        (0, 2 | 3 | 10 | 11) => [p0, p1, p2, p3, p4] == [0; 5] && matches!(bits, 8 | 15 | 16 | 24 | 32),
        (1, 1 | 9) => matches!(p4, 15 | 16 | 24 | 32) && (p2, p3) != (0, 0) && matches!(bits, 8 | 16),
        _ => false,
    };
    colors && (w0, w1) != (0, 0) && (h0, h1) != (0, 0) && flags & 0xc0 == 0
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
            (b"\0\0\x02\0\0\0\0\0\0\0\0\0\x02\0\x02\0\x18\x20", "TGA"),
            (b"\x05\x01\x09\0\0\0\x01\x18\0\0\0\0\x02\0\x02\0\x08\0", "TGA"),
            (b"IIRO\x08\0\0\0", "raw file"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01", "raw file"),
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
