//! Picture files of every kind, written here, become upright 8-bit RGB or a reason.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use context_encoder_data::{DataError, Limits, decode};
use image::codecs::jpeg::JpegEncoder;
use image::{
    DynamicImage, GrayAlphaImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage,
};
use tempfile::TempDir;

const RED: [u8; 3] = [220, 30, 30];
const GREEN: [u8; 3] = [30, 200, 30];
const BLUE: [u8; 3] = [30, 30, 220];
const WHITE: [u8; 3] = [250, 250, 250];

fn read(path: &Path) -> Result<RgbImage, DataError> {
    decode(path, &Limits::default())
}

/// 48x32, its quarters red, green / blue, white: no two orientations look alike.
fn quarters() -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| {
        Rgb(match (x < 24, y < 16) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => WHITE,
        })
    })
}

fn jpeg_bytes(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(picture).expect("encode");
    bytes
}

/// The file with an EXIF segment behind its first marker: one little-endian directory with one entry.
fn with_orientation(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend(orientation.to_le_bytes());
    exif.extend([0; 6]); // the value's other half, and no next directory
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("write");
    path
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The names of the colours in the corners: top left, top right, bottom left, bottom right.
fn corners(picture: &RgbImage) -> String {
    let (right, bottom) = (picture.width() - 4, picture.height() - 4);
    [(4, 4), (right, 4), (4, bottom), (right, bottom)]
        .map(|(x, y)| {
            let pixel = picture.get_pixel(x, y).0;
            let near = |colour: [u8; 3]| pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 24);
            [(RED, 'R'), (GREEN, 'G'), (BLUE, 'B'), (WHITE, 'W')]
                .into_iter()
                .find_map(|(colour, name)| near(colour).then_some(name))
                .unwrap_or('?')
        })
        .iter()
        .collect()
}

#[test]
fn every_exif_orientation_is_turned_upright() {
    // What the stored quarters RG/BW look like once turned: EXIF says where row 0 and column 0 belong.
    let expected = [
        (1, "RGBW", (48, 32)),
        (2, "GRWB", (48, 32)), // mirrored left to right
        (3, "WBGR", (48, 32)), // turned by 180 degrees
        (4, "BWRG", (48, 32)), // mirrored top to bottom
        (5, "RBGW", (32, 48)), // mirrored along the diagonal
        (6, "BRWG", (32, 48)), // turned by 90 degrees clockwise
        (7, "WGBR", (32, 48)), // mirrored along the other diagonal
        (8, "GWRB", (32, 48)), // turned by 90 degrees counter-clockwise
        (9, "RGBW", (48, 32)), // undefined: left as it is
    ];
    let folder = folder();
    let jpeg = jpeg_bytes(&quarters());
    for (orientation, colours, size) in expected {
        let path = write(&folder, "turned.jpg", &with_orientation(&jpeg, orientation));
        let picture = read(&path).expect("decodes");
        assert_eq!(corners(&picture), colours, "orientation {orientation}");
        assert_eq!(picture.dimensions(), size, "orientation {orientation}");
    }
}

#[test]
fn every_format_is_known_by_its_content() {
    let folder = folder();
    let (lossless, picture) = (quarters(), DynamicImage::ImageRgb8(quarters()));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff] {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("encode");
        let path = write(&folder, "wrongly_named.jpg", bytes.get_ref());
        assert_eq!(read(&path).expect("decodes"), lossless, "{format:?}");
    }
    let path = write(&folder, "a_jpeg.png", &jpeg_bytes(&lossless));
    assert_eq!(corners(&read(&path).expect("decodes")), "RGBW");
}

#[test]
fn sixteen_bit_and_grey_pictures_become_bytes() {
    let folder = folder();
    let path = folder.path().join("deep.png");
    let deep = ImageBuffer::<Rgb<u16>, _>::from_pixel(16, 16, Rgb([0x1234, 0, 0xffff]));
    deep.save(&path).expect("save");
    // 0x1234 / 257 = 18.13
    assert_eq!(read(&path).expect("decodes").get_pixel(3, 3).0, [18, 0, 255]);

    let path = folder.path().join("deep_grey.tiff");
    ImageBuffer::<Luma<u16>, _>::from_pixel(16, 16, Luma([257 * 99])).save(&path).expect("save");
    assert_eq!(read(&path).expect("decodes").get_pixel(0, 15).0, [99; 3]);
}

#[test]
fn transparent_pictures_lie_on_white() {
    let folder = folder();
    let path = folder.path().join("grey_alpha.png");
    let half = |x: u32, _| LumaA([100, if x < 8 { 0 } else { 255 }]);
    GrayAlphaImage::from_fn(16, 16, half).save(&path).expect("save");
    let picture = read(&path).expect("decodes");
    assert_eq!([picture.get_pixel(7, 0).0, picture.get_pixel(8, 0).0], [[255; 3], [100; 3]]);

    let path = folder.path().join("alpha.webp");
    RgbaImage::from_pixel(16, 16, Rgba([0, 100, 255, 128])).save(&path).expect("save");
    assert_eq!(read(&path).expect("decodes").get_pixel(0, 0).0, [127, 177, 255]);
}

/// A 16x16 palette BMP: index 0 is (1, 2, 3), index 1 is (200, 100, 50), used in the left and right half.
fn palette_bmp() -> Vec<u8> {
    let (header, palette, pixels) = (14 + 40, 2 * 4, 16 * 16);
    let mut bytes = b"BM".to_vec();
    for number in [header + palette + pixels, 0, header + palette, 40, 16, 16] {
        bytes.extend((number as u32).to_le_bytes());
    }
    bytes.extend([1, 0, 8, 0]); // one plane, eight bits a pixel
    for number in [0_u32, pixels as u32, 0, 0, 2, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([3, 2, 1, 0, 50, 100, 200, 0]);
    bytes.extend((0..pixels).map(|at| u8::from(at % 16 >= 8)));
    bytes
}

#[test]
fn palettes_are_looked_up() {
    let folder = folder();
    let picture = read(&write(&folder, "palette.bmp", &palette_bmp())).expect("decodes");
    assert_eq!([picture.get_pixel(7, 5).0, picture.get_pixel(8, 5).0], [[1, 2, 3], [200, 100, 50]]);
}

#[test]
fn files_that_were_cut_off_are_errors_at_any_length() {
    let folder = folder();
    let mut png = Cursor::new(Vec::new());
    quarters().write_to(&mut png, ImageFormat::Png).expect("encode");
    let jpeg = with_orientation(&jpeg_bytes(&quarters()), 6);
    for bytes in [&jpeg, png.get_ref()] {
        // A PNG is complete once its pixels are; its last 12 bytes hold no data.
        for length in (0..bytes.len() - 16).step_by(7) {
            let path = write(&folder, "cut", &bytes[..length]);
            let error = read(&path).expect_err("a part of a picture is no picture").to_string();
            assert!(error.contains(&path.display().to_string()) && !error.contains('\n'), "{error}");
        }
    }
}

#[test]
fn what_is_no_picture_says_what_it_is() {
    let folder = folder();
    let reason = |name, bytes: &[u8]| read(&write(&folder, name, bytes)).expect_err(name).to_string();
    assert!(reason("empty.jpg", b"").ends_with("it is empty; remove it"));
    assert!(reason("text.jpg", b"not a picture").ends_with("its content is no picture; remove it"));
    assert!(reason("moving.gif", b"GIF89a").ends_with("convert it to PNG or JPEG"));
    assert!(matches!(read(&folder.path().join("missing.png")), Err(DataError::Io { .. })));
    assert!(matches!(read(folder.path()), Err(DataError::Io { .. })));
}

#[test]
fn limits_hold_before_pixels_are_read() {
    let folder = folder();
    let path = folder.path().join("picture.png");
    let limited = |limits| decode(&path, &limits);
    RgbImage::new(300, 20).save(&path).expect("save");
    let limits = Limits::default();
    assert!(limited(Limits { min_side: 20, max_side: 300, ..limits }).is_ok());
    assert!(matches!(
        limited(Limits { max_side: 299, ..limits }),
        Err(DataError::TooLarge { width: 300, .. })
    ));
    assert!(matches!(
        limited(Limits { min_side: 21, ..limits }),
        Err(DataError::TooSmall { height: 20, .. })
    ));
    assert!(matches!(limited(Limits { max_bytes: 17_999, ..limits }), Err(DataError::TooMuchMemory { .. })));
    assert!(limited(Limits { max_bytes: 1 << 20, ..limits }).is_ok());
    assert!(matches!(
        limited(Limits { max_bytes: 50, ..limits }),
        Err(DataError::TooMuchMemory { max_bytes: 50, .. })
    ));
}
