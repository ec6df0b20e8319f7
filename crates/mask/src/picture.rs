//! Reading a picture's file: sniffed, limited, upright.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::MaskError;

/// The longest side of a picture that is read, in pixels.
pub(crate) const MAX_SIDE: u32 = 16_384;

/// The most memory that a decoder may ask for, in bytes.
pub(crate) const MAX_MEMORY: u64 = 512 << 20;

/// The picture in a file and the format it was written in.
///
/// The content tells the format, not the file's name. An EXIF orientation is carried out.
pub(crate) fn read(path: &Path) -> Result<(DynamicImage, Option<ImageFormat>), MaskError> {
    let read_error = |source| MaskError::Read { path: path.to_path_buf(), source };
    let decode_error = |source| MaskError::Decode { path: path.to_path_buf(), source };
    let file = BufReader::new(File::open(path).map_err(read_error)?);
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(read_error)?;
    reader.limits(limits());
    let format = reader.format();
    let mut decoder = reader.into_decoder().map_err(decode_error)?;
    // A picture whose orientation cannot be read is upright, as every viewer shows it.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(decode_error)?;
    picture.apply_orientation(orientation);
    Ok((picture, format))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    limits
}

#[cfg(test)]
mod tests {
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;

    #[test]
    fn a_picture_beyond_the_limits_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("long.png");
        image::GrayImage::new(MAX_SIDE + 1, 1).save(&path).expect("a PNG is written");
        let error = read(&path).expect_err("one pixel too long");
        assert!(matches!(error, MaskError::Decode { .. }));

        image::GrayImage::new(MAX_SIDE, 1).save(&path).expect("a PNG is written");
        let (picture, format) = read(&path).expect("as long as allowed");
        assert_eq!((picture.width(), format), (MAX_SIDE, Some(ImageFormat::Png)));
    }

    #[test]
    fn an_exif_orientation_is_carried_out() {
        let folder = tempfile::tempdir().expect("a folder for the test");
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
        let (picture, _) = read(&path).expect("a picture");
        // 10 20 30      40 10
        // 40 50 60  ->  50 20
        //               60 30
        assert_eq!((picture.width(), picture.height()), (2, 3));
        assert_eq!(picture.into_bytes(), [40, 10, 50, 20, 60, 30]);
    }
}
