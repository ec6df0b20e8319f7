//! Masks from images, and as PNG files.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use context_encoder_files::{ImageFile, atomic_write};
use image::error::{ImageFormatHint, LimitError, LimitErrorKind, UnsupportedError};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageError, ImageFormat, ImageResult};

use crate::{Mask, MaskError};

/// The longest side of an image that is read, in pixels.
const MAX_SIDE: u32 = 16_384;

/// The most memory that a decoder may ask for, in bytes.
pub(crate) const MAX_MEMORY: u64 = 512 << 20;

/// The gray value (or opacity) of 0..=255 from which on a pixel is hidden.
const THRESHOLD: u8 = 128;

impl Mask {
    /// The mask that an image paints.
    ///
    /// - An image that is opaque everywhere: a pixel is hidden where its luminance (0..=255) is 128 or more.
    ///   White on black, as most programs draw masks.
    /// - An image with a transparent pixel anywhere (alpha below 255) is taken for a layer painted over
    ///   another image: a pixel is hidden where its alpha is 128 or more, whatever its color.
    ///
    /// Images of more than 8 bits are brought to 8 bits first. Any result is returned, also an empty or a
    /// full mask; [`load`](Self::load) refuses those.
    ///
    /// # Panics
    /// When the image has no pixels.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    /// use image::{DynamicImage, GrayImage, Rgba, RgbaImage};
    ///
    /// let gray = GrayImage::from_raw(3, 1, vec![0, 127, 128]).expect("three pixels");
    /// assert_eq!(Mask::from_image(&gray.into()).hidden(), [false, false, true]);
    ///
    /// // A black stroke on a transparent white layer.
    /// let mut layer = RgbaImage::from_pixel(2, 1, Rgba([255, 255, 255, 0]));
    /// layer.put_pixel(1, 0, Rgba([0, 0, 0, 255]));
    /// assert_eq!(Mask::from_image(&layer.into()).hidden(), [false, true]);
    /// ```
    pub fn from_image(image: &DynamicImage) -> Self {
        let coverage = coverage(image);
        Self::from_fn(coverage.width(), coverage.height(), |x, y| coverage.get_pixel(x, y).0[0] >= THRESHOLD)
    }

    /// The mask in an image file, read by the rule of [`from_image`](Self::from_image).
    ///
    /// The content decides the format (PNG, JPEG, WebP, BMP or TIFF), not the name; an EXIF orientation is
    /// applied; sides above 16384 pixels are an error. `expected` is the width and height of the image
    /// that the mask is for; `None` takes any size.
    ///
    /// # Errors
    /// [`MaskError::Read`] and [`MaskError::Decode`] for the file, [`MaskError::Size`] for a wrong size,
    /// [`MaskError::Empty`] when nothing is hidden and [`MaskError::Full`] when everything is.
    pub fn load(path: impl AsRef<Path>, expected: Option<(u32, u32)>) -> Result<Self, MaskError> {
        let path = path.as_ref();
        Self::checked(&sized(read(path)?.0, path, expected)?, path)
    }

    /// The mask in the bytes of an image file, as [`load`](Self::load) reads it; `name` is for messages.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    /// use image::{GrayImage, ImageFormat};
    ///
    /// let mut png = std::io::Cursor::new(Vec::new());
    /// let gray = GrayImage::from_raw(3, 1, vec![0, 127, 128]).expect("three pixels");
    /// gray.write_to(&mut png, ImageFormat::Png)?;
    /// let mask = Mask::from_bytes(png.get_ref(), "hole.png", Some((3, 1)))?;
    /// assert_eq!(mask.hidden(), [false, false, true]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn from_bytes(
        bytes: &[u8],
        name: impl AsRef<Path>,
        expected: Option<(u32, u32)>,
    ) -> Result<Self, MaskError> {
        let path = name.as_ref();
        let format = sniff(bytes, path)?;
        let file = ImageFile::open(Cursor::new(bytes), format, MAX_MEMORY);
        Self::checked(&sized(decode(file, path)?, path, expected)?, path)
    }

    /// The mask that an image paints, if it hides some pixels and not all.
    fn checked(image: &DynamicImage, path: &Path) -> Result<Self, MaskError> {
        let mask = Self::from_image(image);
        let path = path.to_path_buf();
        if mask.is_empty() {
            return Err(MaskError::Empty { path });
        }
        if mask.is_full() {
            return Err(MaskError::Full { path });
        }
        Ok(mask)
    }

    /// To what degree an image file hides each pixel, 0 = visible to 255 = hidden, for masks with soft edges.
    ///
    /// The rule is that of [`from_image`](Self::from_image) before its threshold: luminance where the
    /// image is opaque, opacity where it is a layer. `expected` is as for [`load`](Self::load).
    ///
    /// # Errors
    /// As for [`load`](Self::load); a mask is empty here when it hides nothing to any degree, and full when
    /// it hides everything completely.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("soft.png");
    /// image::GrayImage::from_raw(3, 1, vec![0, 100, 255]).expect("three pixels").save(&path)?;
    /// assert_eq!(Mask::load_coverage(&path, Some((3, 1)))?.into_raw(), [0, 100, 255]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load_coverage(
        path: impl AsRef<Path>,
        expected: Option<(u32, u32)>,
    ) -> Result<GrayImage, MaskError> {
        let path = path.as_ref();
        let coverage = coverage(&sized(read(path)?.0, path, expected)?);
        let path = path.to_path_buf();
        if coverage.iter().all(|&value| value == 0) {
            return Err(MaskError::Empty { path });
        }
        if coverage.iter().all(|&value| value == u8::MAX) {
            return Err(MaskError::Full { path });
        }
        Ok(coverage)
    }

    /// Writes the mask as a gray PNG, 255 = hidden, whatever the file's name; atomically.
    ///
    /// # Errors
    /// [`MaskError::Write`]; nothing is left behind then.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("left.png");
    /// let left = Mask::from_fn(8, 8, |x, _| x < 4);
    /// left.save(&path)?;
    /// assert_eq!(Mask::load(&path, Some((8, 8)))?, left);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), MaskError> {
        let path = path.as_ref();
        let mut png = Cursor::new(Vec::new());
        self.to_luma()
            .write_to(&mut png, ImageFormat::Png)
            .and_then(|()| atomic_write(path, png.get_ref()).map_err(ImageError::IoError))
            .map_err(|source| MaskError::Write { path: path.to_path_buf(), source })
    }
}

/// To what degree an image hides each pixel, 0 = visible to 255 = hidden: by its opacity where it is
/// transparent anywhere, by its luminance otherwise.
fn coverage(image: &DynamicImage) -> GrayImage {
    if image.color().has_alpha() {
        let layer = image.to_luma_alpha8();
        if layer.pixels().any(|pixel| pixel.0[1] < u8::MAX) {
            return GrayImage::from_fn(layer.width(), layer.height(), |x, y| {
                image::Luma([layer.get_pixel(x, y).0[1]])
            });
        }
    }
    image.to_luma8()
}

/// The image, if it has the expected size.
fn sized(image: DynamicImage, path: &Path, expected: Option<(u32, u32)>) -> Result<DynamicImage, MaskError> {
    let actual = (image.width(), image.height());
    match expected {
        Some(expected) if expected != actual => {
            Err(MaskError::Size { path: path.to_path_buf(), expected, actual })
        }
        _ => Ok(image),
    }
}

/// The image in a file, upright, and the format that its content announces.
pub(crate) fn read(path: &Path) -> Result<(DynamicImage, ImageFormat), MaskError> {
    let read_error = |source| MaskError::Read { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(read_error)?;
    let mut bytes = Vec::with_capacity(ImageFile::HEAD);
    (&mut file).take(ImageFile::HEAD as u64).read_to_end(&mut bytes).map_err(read_error)?;
    let format = sniff(&bytes, path)?;
    let file = if file.metadata().map_err(read_error)?.is_file() {
        file.rewind().map_err(read_error)?;
        ImageFile::open(BufReader::new(file), format, MAX_MEMORY)
    } else {
        // A pipe is read once, from its start to its end.
        file.take(MAX_MEMORY).read_to_end(&mut bytes).map_err(read_error)?;
        ImageFile::open(Cursor::new(bytes), format, MAX_MEMORY)
    };
    Ok((decode(file, path)?, format))
}

/// The format that a file's first bytes announce.
fn sniff(head: &[u8], path: &Path) -> Result<ImageFormat, MaskError> {
    ImageFile::sniff(head).map_err(|other| {
        let hint = other.map_or(ImageFormatHint::Unknown, ImageFormatHint::Exact);
        MaskError::Decode {
            path: path.to_path_buf(),
            source: ImageError::Unsupported(UnsupportedError::from(hint)),
        }
    })
}

/// The image of a file whose header was read, upright.
fn decode(file: ImageResult<ImageFile<'_>>, path: &Path) -> Result<DynamicImage, MaskError> {
    let decode_error = |source| MaskError::Decode { path: path.to_path_buf(), source };
    let mut file = file.map_err(decode_error)?;
    let (width, height) = file.dimensions();
    if width.max(height) > MAX_SIDE {
        let error = LimitError::from_kind(LimitErrorKind::DimensionError);
        return Err(decode_error(ImageError::Limits(error)));
    }
    // An image whose orientation cannot be read is upright, as every viewer shows it.
    let orientation = file.orientation().unwrap_or(Orientation::NoTransforms);
    file.decode(orientation).map_err(decode_error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, GrayAlphaImage, ImageEncoder, Luma, RgbImage};
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn folder() -> TempDir {
        tempdir().expect("a folder for the test")
    }

    #[test]
    fn gray_128_is_the_first_that_hides() {
        let gray = GrayImage::from_raw(4, 1, vec![0, 127, 128, 255]).expect("four pixels");
        let mask = Mask::from_image(&gray.into());
        assert_eq!(mask.hidden(), [false, false, true, true]);
    }

    #[test]
    fn luminance_decides_for_colors_16_bits_and_opaque_layers() {
        // Pure blue is dark (7 % of white), pure green is light (72 %).
        let color = RgbImage::from_raw(2, 1, vec![0, 0, 255, 0, 255, 0]).expect("two pixels");
        let deep = image::ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![0x7f00, 0x8100]);
        let opaque = GrayAlphaImage::from_raw(2, 1, vec![0, 255, 200, 255]).expect("two pixels");
        for image in [color.into(), DynamicImage::ImageLuma16(deep.expect("two pixels")), opaque.into()]
            as [DynamicImage; 3]
        {
            assert_eq!(Mask::from_image(&image).hidden(), [false, true], "{:?}", image.color());
        }
    }

    #[test]
    fn on_a_layer_opacity_decides_and_not_luminance() {
        // Gray and alpha of each pixel: clear white, faint white, half black, solid black.
        let values = vec![255, 0, 255, 127, 0, 128, 0, 255];
        let layer = GrayAlphaImage::from_raw(4, 1, values).expect("four pixels");
        let mask = Mask::from_image(&layer.into());
        assert_eq!(mask.hidden(), [false, false, true, true]);
    }

    #[test]
    fn the_content_decides_the_format_and_not_the_name() {
        let folder = folder();
        let path = folder.path().join("mask.jpg");
        let mask = Mask::from_fn(7, 5, |x, y| x > 2 && y < 4);
        mask.save(&path).expect("a PNG under another name");
        assert_eq!(image::guess_format(&fs::read(&path).expect("it is there")).ok(), Some(ImageFormat::Png));
        assert_eq!(Mask::load(&path, Some((7, 5))).expect("a mask"), mask);
        assert_eq!(Mask::load(&path, None).expect("a mask of any size"), mask);
    }

    #[test]
    fn a_wrong_size_says_both_sizes() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        Mask::from_fn(7, 5, |x, _| x == 0).save(&path).expect("saved");
        let error = Mask::load(&path, Some((5, 7))).expect_err("sides exchanged");
        assert!(matches!(error, MaskError::Size { expected: (5, 7), actual: (7, 5), .. }));
    }

    #[test]
    fn empty_and_full_masks_are_refused_with_their_path() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        let empty = Mask::visible(4, 4);
        empty.save(&path).expect("saved");
        let error = Mask::load(&path, None).expect_err("nothing hidden");
        assert!(matches!(&error, MaskError::Empty { path: named } if *named == path));
        assert!(error.to_string().contains("mask.png"));

        empty.inverted().save(&path).expect("saved over the first");
        let error = Mask::load(&path, None).expect_err("all hidden");
        assert!(matches!(&error, MaskError::Full { path: named } if *named == path));
    }

    #[test]
    fn missing_files_texts_and_cut_off_files_are_errors() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        assert!(matches!(Mask::load(&path, None), Err(MaskError::Read { .. })));
        fs::write(&path, "this is not a picture").expect("written");
        assert!(matches!(Mask::load(&path, None), Err(MaskError::Decode { .. })));
        Mask::from_fn(64, 64, |x, y| (x * y) % 3 == 0).save(&path).expect("saved");
        let whole = fs::read(&path).expect("it is there");
        fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
        assert!(matches!(Mask::load(&path, None), Err(MaskError::Decode { .. })));
    }

    #[test]
    fn saving_replaces_the_file_and_a_failed_save_leaves_none() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        Mask::from_fn(4, 4, |x, _| x == 0).save(&path).expect("saved");
        let second = Mask::from_fn(4, 4, |_, y| y == 0);
        second.save(&path).expect("saved again");
        assert_eq!(Mask::load(&path, None).expect("the second"), second);
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).expect("a folder where the file should go");
        let error = second.save(&taken).expect_err("a folder is in the way");
        assert!(matches!(&error, MaskError::Write { path: named, .. } if *named == taken));
        assert!(error.to_string().contains("folder exists"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }

    #[test]
    fn an_image_beyond_the_limits_is_an_error() {
        let folder = folder();
        let path = folder.path().join("long.png");
        GrayImage::new(MAX_SIDE + 1, 1).save(&path).expect("a PNG is written");
        let error = read(&path).expect_err("one pixel too long");
        assert!(matches!(error, MaskError::Decode { .. }));

        GrayImage::new(MAX_SIDE, 1).save(&path).expect("a PNG is written");
        let (image, format) = read(&path).expect("as long as allowed");
        assert_eq!((image.width(), format), (MAX_SIDE, ImageFormat::Png));
    }

    #[test]
    fn an_exif_orientation_is_applied() {
        let folder = folder();
        let path = folder.path().join("turned.png");
        let file = File::create(&path).expect("a file");
        let mut encoder = PngEncoder::new(file);
        // Little-endian TIFF with one entry: orientation (0x112), a short, one of them: 6, to be turned
        // clockwise.
        let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
        let exif = [b"II*\0\x08\0\0\0\x01\0".as_slice(), &entry, &[0; 4]].concat();
        encoder.set_exif_metadata(exif).expect("PNG holds EXIF");
        encoder
            .write_image(&[10, 20, 30, 40, 50, 60], 3, 2, ExtendedColorType::L8)
            .expect("a PNG is written");
        let (image, _) = read(&path).expect("an image");
        // 10 20 30      40 10
        // 40 50 60  ->  50 20
        //               60 30
        assert_eq!((image.width(), image.height()), (2, 3));
        assert_eq!(image.into_bytes(), [40, 10, 50, 20, 60, 30]);
    }
}
