//! Image files of every kind become upright 8-bit RGB or an error; folders as people have them: nested,
//! untidy.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use context_encoder_data::{DataError, Folder, FolderOptions, ImageDataset, Limits, decode};
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

fn jpeg_bytes(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(image).expect("encode");
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

/// The names of the colors in the corners: top left, top right, bottom left, bottom right.
fn corners(picture: &RgbImage) -> String {
    let (right, bottom) = (picture.width() - 4, picture.height() - 4);
    [(4, 4), (right, 4), (4, bottom), (right, bottom)]
        .map(|(x, y)| {
            let pixel = picture.get_pixel(x, y).0;
            let near = |color: [u8; 3]| pixel.iter().zip(color).all(|(a, b)| a.abs_diff(b) < 24);
            [(RED, 'R'), (GREEN, 'G'), (BLUE, 'B'), (WHITE, 'W')]
                .into_iter()
                .find_map(|(color, name)| near(color).then_some(name))
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
    for (orientation, colors, size) in expected {
        let path = write(&folder, "turned.jpg", &with_orientation(&jpeg, orientation));
        let picture = read(&path).expect("decodes");
        assert_eq!(corners(&picture), colors, "orientation {orientation}");
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
fn sixteen_bit_and_gray_images_become_8_bit_rgb() {
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
fn transparent_images_are_laid_over_white() {
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
fn truncated_files_are_errors_at_any_length() {
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
fn errors_say_what_a_file_holds() {
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

fn save(root: &Path, name: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("create");
    RgbImage::from_pixel(16, 16, Rgb([name.len() as u8; 3]))
        .save_with_format(path, ImageFormat::Png)
        .expect("save");
}

fn open(root: &Path) -> Result<Folder, DataError> {
    Folder::open(root, FolderOptions::default())
}

fn names(folder: &Folder) -> Vec<String> {
    (0..folder.len()).map(|index| folder.name(index)).collect()
}

#[test]
fn pictures_are_found_by_content_and_sorted_by_path() {
    let root = folder();
    for name in ["b.png", "a/z.jpg", "a/deep/q.png", "B.png", "a.png", "no_ending", "a-b/x.png"] {
        save(root.path(), name);
    }
    for name in [".hidden.png", ".git/x.png", "a/._z.jpg"] {
        save(root.path(), name);
    }
    for (name, text) in [("notes.txt", "BMW"), ("Thumbs.db", "\u{1}\u{2}"), ("a/labels.csv", "P1,2")] {
        fs::write(root.path().join(name), text).expect("write");
    }
    let found = open(root.path()).expect("opens");
    assert_eq!(
        names(&found),
        ["B.png", "a-b/x.png", "a.png", "a/deep/q.png", "a/z.jpg", "b.png", "no_ending"],
    );
    assert!(found.skipped().is_empty());
    assert_eq!(found.image(3, 2).expect("decodes").get_pixel(0, 0).0, [5; 3]);
    assert_eq!(found.path(2), root.path().join("a.png"));
}

#[test]
fn files_that_only_claim_to_be_pictures_are_skipped() {
    let root = folder();
    save(root.path(), "good.png");
    fs::write(root.path().join("web_page.jpg"), "<html>").expect("write");
    fs::write(root.path().join("moving.gif"), "GIF89a").expect("write");
    fs::write(root.path().join("empty.png"), "").expect("write");
    let found = open(root.path()).expect("opens");
    assert_eq!(names(&found), ["good.png"]);
    let skipped: Vec<_> = found.skipped().iter().map(|skipped| skipped.name.as_str()).collect();
    assert_eq!(skipped, ["empty.png", "moving.gif", "web_page.jpg"]);
    let line = found.skipped()[2].to_string();
    assert!(line.contains("web_page.jpg") && line.contains("it is a web page"), "{line}");

    let strict = FolderOptions { strict: true, ..FolderOptions::default() };
    let error = Folder::open(root.path(), strict).expect_err("strict");
    assert!(error.to_string().contains("empty.png"), "the first in sorted order: {error}");
}

#[test]
fn missing_and_empty_folders_say_what_to_do() {
    let root = folder();
    let missing = open(&root.path().join("nowhere")).expect_err("missing");
    assert!(matches!(missing, DataError::FolderMissing { .. }));
    assert!(missing.to_string().contains("nowhere: check the path"), "{missing}");

    assert!(matches!(open(root.path()), Err(DataError::NoPictures { skipped: 0, .. })));
    for number in 0..5 {
        fs::write(root.path().join(format!("{number}.jpg")), "text").expect("write");
    }
    let empty = open(root.path()).expect_err("no picture").to_string();
    assert!(empty.contains("5 skipped (") && empty.contains("2.jpg") && !empty.contains("3.jpg"), "{empty}");
    assert!(!empty.contains('\n'));
    // A file is no folder.
    assert!(matches!(open(&root.path().join("0.jpg")), Err(DataError::FolderMissing { .. })));
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_cycles() {
    let (root, elsewhere) = (folder(), folder());
    save(root.path(), "a/picture.png");
    save(elsewhere.path(), "linked.png");
    std::os::unix::fs::symlink(root.path(), root.path().join("a/circle")).expect("link");
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join("b")).expect("link");
    std::os::unix::fs::symlink(root.path().join("gone.png"), root.path().join("broken.png")).expect("link");
    let found = open(root.path()).expect("opens");
    assert_eq!(names(&found), ["a/picture.png", "b/linked.png"]);
    assert_eq!(found.skipped().len(), 1);
    assert_eq!(found.skipped()[0].name, "broken.png");
}

#[test]
fn the_split_is_fixed_disjoint_and_complete() {
    let root = folder();
    for number in 0..43 {
        save(root.path(), &format!("{number:02}.png"));
    }
    let (training, validation) = open(root.path()).expect("opens").split();
    assert_eq!(Folder::VALIDATION_EVERY, 20);
    assert_eq!(names(&validation), ["00.png", "20.png", "40.png"]);
    assert_eq!(training.len(), 40);
    assert!(names(&training).iter().all(|name| !names(&validation).contains(name)));
}

#[test]
fn small_folders_are_split_too() {
    let root = folder();
    save(root.path(), "a.png");
    let (training, validation) = open(root.path()).expect("opens").split();
    assert_eq!((training.len(), validation.len()), (1, 0));
    save(root.path(), "b.png");
    let (training, validation) = open(root.path()).expect("opens").split();
    assert_eq!((names(&training), names(&validation)), (vec!["b.png".to_owned()], vec!["a.png".to_owned()]));
}

#[test]
fn raw_files_are_not_taken_for_their_previews() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("camera.tif");
    RgbImage::new(20, 16).save(&path).expect("written");
    let mut file = fs::read(&path).expect("read");
    // The tag of the color space, in one short number: RGB, which becomes a sensor's color filter array.
    let tag = [0x06, 0x01, 3, 0, 1, 0, 0, 0, 2, 0, 0, 0];
    let at = file.windows(tag.len()).position(|bytes| bytes == tag).expect("the tag");
    file[at + 8..at + 10].copy_from_slice(&32_803_u16.to_le_bytes());
    fs::write(&path, file).expect("written");
    let error = decode(&path, &Limits::default()).expect_err("refused").to_string();
    assert!(error.contains("camera.tif") && error.contains("raw file; develop it"), "{error}");
}
