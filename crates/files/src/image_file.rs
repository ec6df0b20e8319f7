//! The one decoder: format by content, limits, header, pixels, orientation.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek};
use std::path::Path;

use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Limits, RgbImage};

use crate::{jpeg, tiff};

/// The formats that are read and written.
pub(crate) const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff];

/// Sizes that the second header of a BMP file can have; "BM" alone also begins ordinary text.
const BMP_HEADER_SIZES: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

/// An image file whose header has been read, and none of its pixels.
///
/// ```
/// use context_encoder_files::ImageFile;
/// use image::ImageFormat;
/// # let mut png = std::io::Cursor::new(Vec::new());
/// # image::GrayImage::from_pixel(4, 3, image::Luma([9])).write_to(&mut png, ImageFormat::Png)?;
/// # let bytes = png.into_inner();
///
/// let format = ImageFile::sniff(&bytes).expect("a PNG");
/// let mut file = ImageFile::open(std::io::Cursor::new(&bytes), format, 1 << 20)?;
/// assert_eq!((format, file.dimensions()), (ImageFormat::Png, (4, 3)));
/// let orientation = file.orientation()?;
/// assert_eq!(file.decode_rgb(orientation)?.get_pixel(0, 0).0, [9, 9, 9]);
/// # Ok::<(), image::ImageError>(())
/// ```
pub struct ImageFile<'a> {
    pub(crate) decoder: Box<dyn ImageDecoder + 'a>,
    limits: Limits,
}

impl<'a> ImageFile<'a> {
    /// How many of a file's first bytes [`sniff`](Self::sniff) looks at.
    pub const HEAD: usize = 32;

    /// The format that a file's first bytes announce, whatever its name says: JPEG, PNG, WebP, BMP or TIFF.
    ///
    /// # Errors
    /// The format when it is another one, which is not read; `None` when they announce none.
    pub fn sniff(head: &[u8]) -> Result<ImageFormat, Option<ImageFormat>> {
        let format = image::guess_format(head).map_err(|_| None)?;
        if format == ImageFormat::Bmp {
            let size = head.get(14..18).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
            return size.filter(|size| BMP_HEADER_SIZES.contains(size)).map(|_| format).ok_or(None);
        }
        if FORMATS.contains(&format) { Ok(format) } else { Err(Some(format)) }
    }

    /// The bytes of a file of at most `max_bytes`; the inner error is the length of a longer one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn read(path: &Path, max_bytes: u64) -> io::Result<Result<Vec<u8>, u64>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > max_bytes {
            return Ok(Err(length));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        // A file that grows meanwhile must not grow without end here.
        file.take(max_bytes).read_to_end(&mut bytes)?;
        Ok(Ok(bytes))
    }

    /// Why a file must not be decoded although its decoder might: what it is, and what to do.
    ///
    /// A camera's raw file is a TIFF file that may begin with a small preview. A JPEG that ends in the middle
    /// of its pixels is decoded without an error, what is missing painted gray: a
    /// network would learn that the lower half of a broken download is gray. A file that is damaged before
    /// its pixels is left to the decoder, whose error says better what is wrong.
    pub fn refusal(bytes: &[u8], format: ImageFormat) -> Option<String> {
        match format {
            ImageFormat::Tiff => tiff::refusal(bytes),
            ImageFormat::Jpeg => jpeg::header(bytes).refusal().map(str::to_owned),
            _ => None,
        }
    }

    /// Reads the header of a file in this format. Its decoder may allocate `max_memory` bytes.
    ///
    /// # Errors
    /// When it is damaged, or needs more memory.
    pub fn open(reader: impl BufRead + Seek + 'a, format: ImageFormat, max_memory: u64) -> ImageResult<Self> {
        let mut limits = Limits::default();
        limits.max_alloc = Some(max_memory);
        let decoder: Box<dyn ImageDecoder + 'a> = if format == ImageFormat::Tiff {
            // Once it has limits, this decoder (image 0.25.10) finds no profile; `decode` sets them.
            Box::new(TiffDecoder::new(reader)?)
        } else {
            let mut reader = ImageReader::with_format(reader, format);
            reader.limits(limits.clone());
            Box::new(reader.into_decoder()?)
        };
        Ok(Self { decoder, limits })
    }

    /// Width and height as stored, before the image is turned upright.
    pub fn dimensions(&self) -> (u32, u32) {
        self.decoder.dimensions()
    }

    /// Bytes of the decoded pixels.
    pub fn decoded_bytes(&self) -> u64 {
        self.decoder.total_bytes()
    }

    /// The EXIF orientation.
    ///
    /// # Errors
    /// When the EXIF data cannot be read.
    pub fn orientation(&mut self) -> ImageResult<Orientation> {
        self.decoder.orientation()
    }

    /// The pixels as stored, turned as `orientation` says. Of an animation the first frame.
    ///
    /// # Errors
    /// When they are damaged, or need more memory than allowed.
    pub fn decode(self, orientation: Orientation) -> ImageResult<DynamicImage> {
        let Self { mut decoder, limits } = self;
        decoder.set_limits(limits)?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        Ok(image)
    }

    /// As [`decode`](Self::decode), as 8-bit RGB over white.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_rgb(self, orientation: Orientation) -> ImageResult<RgbImage> {
        let image = self.decode(orientation)?;
        if !image.color().has_alpha() {
            return Ok(image.into_rgb8());
        }
        let image = image.into_rgba8();
        let mut opaque = RgbImage::new(image.width(), image.height());
        for (target, source) in opaque.pixels_mut().zip(image.pixels()) {
            let [red, green, blue, alpha] = source.0;
            target.0 = over_white([red, green, blue], alpha);
        }
        Ok(opaque)
    }
}

/// `(alpha * color + (255 - alpha) * 255) / 255` for each channel, rounded to the nearest.
pub(crate) fn over_white(color: [u8; 3], alpha: u8) -> [u8; 3] {
    let alpha = u32::from(alpha);
    color.map(|value| ((alpha * u32::from(value) + (255 - alpha) * 255 + 127) / 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_the_format() {
        assert_eq!(ImageFile::sniff(b"\x89PNG\r\n\x1a\n"), Ok(ImageFormat::Png));
        assert_eq!(ImageFile::sniff(b"\xff\xd8\xff\xe0"), Ok(ImageFormat::Jpeg));
        assert_eq!(ImageFile::sniff(b"RIFF\x10\0\0\0WEBPVP8 "), Ok(ImageFormat::WebP));
        assert_eq!(ImageFile::sniff(b"GIF89a...."), Err(Some(ImageFormat::Gif)));
        for text in [&b"BMW drives by a facade, slowly"[..], b"plain", b""] {
            assert_eq!(ImageFile::sniff(text), Err(None));
        }
    }

    #[test]
    fn a_bitmap_needs_a_plausible_second_header() {
        let mut head = *b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0";
        assert_eq!(ImageFile::sniff(&head), Ok(ImageFormat::Bmp));
        head[14] = 41;
        assert_eq!(ImageFile::sniff(&head), Err(None));
    }

    #[test]
    fn transparent_pixels_become_white_and_half_transparent_ones_lighter() {
        assert_eq!(over_white([10, 20, 30], 0), [255, 255, 255]);
        assert_eq!(over_white([10, 20, 30], 255), [10, 20, 30]);
        // 128/255 of 0 and 127/255 of 255 is 127; of 255 all stays 255; of 100: (12800 + 32385) / 255 = 177.2
        assert_eq!(over_white([0, 255, 100], 128), [127, 255, 177]);
    }
}
