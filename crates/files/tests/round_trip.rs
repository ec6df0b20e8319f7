//! Files in and out: what a format can hold comes back, and what it cannot is said.

use std::io::Cursor;

use context_encoder_files::{Loss, PhotoError, Photograph, Pixels};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// Not a real profile, but bytes that must come back.
fn profile() -> Vec<u8> {
    (0..70_000_u32).map(|i| (i * 31 % 251) as u8).collect()
}

/// EXIF data of one entry: the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [&b"MM\0*\0\0\0\x08\0\x01"[..], &[1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0], &[0; 4]].concat()
}

/// Smooth, with some texture, as photographs are.
fn scene(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: f32, b: f32| (127.0 + 90.0 * (x as f32 / a + y as f32 / b).sin()) as u8;
        let grain = ((x * 7919 + y * 104_729) % 23) as u8;
        Rgb([
            wave(31.0, 17.0).saturating_add(grain),
            wave(13.0, 29.0),
            wave(57.0, 11.0).saturating_sub(grain),
        ])
    })
}

fn samples<T>(count: usize, value: impl Fn(usize) -> T) -> Vec<T> {
    (0..count).map(value).collect()
}

#[test]
fn png_and_tiff_come_back_bit_for_bit_at_every_depth() {
    let bytes = |channels: usize| samples(channels * 35, |i| (i * 37 % 256) as u8);
    let words = |channels: usize| samples(channels * 70, |i| (i * 41 % 253) as u8);
    let layouts = [
        (ExtendedColorType::L8, bytes(1)),
        (ExtendedColorType::La8, bytes(2)),
        (ExtendedColorType::Rgb8, bytes(3)),
        (ExtendedColorType::Rgba8, bytes(4)),
        (ExtendedColorType::L16, words(1)),
        (ExtendedColorType::La16, words(2)),
        (ExtendedColorType::Rgb16, words(3)),
        (ExtendedColorType::Rgba16, words(4)),
    ];
    for (colors, samples) in layouts {
        let mut png = Vec::new();
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_icc_profile(profile()).expect("PNG holds profiles");
        encoder.set_exif_metadata(exif(1)).expect("PNG holds EXIF");
        encoder.write_image(&samples, 7, 5, colors).expect("encoded");
        let photo = Photograph::from_bytes(&png).expect("a picture");
        assert_eq!((photo.dimensions(), photo.icc_profile()), ((7, 5), Some(&profile()[..])));
        let again =
            Photograph::from_bytes(&photo.to_bytes(ImageFormat::Png).expect("encoded")).expect("read");
        assert_eq!((again.icc_profile(), again.exif()), (photo.icc_profile(), Some(&exif(1)[..])));
        let written =
            image::load_from_memory(&photo.to_bytes(ImageFormat::Png).expect("encoded")).expect("read");
        assert_eq!((ExtendedColorType::from(written.color()), written.as_bytes()), (colors, &samples[..]));

        let tiff = photo.to_bytes(ImageFormat::Tiff).expect("encoded");
        let written = Photograph::from_bytes(&tiff).expect("read");
        assert_eq!((written.pixels(), written.icc_profile()), (photo.pixels(), photo.icc_profile()));
        // TIFF's encoder has no gray with transparency.
        let is_gray_alpha = matches!(colors, ExtendedColorType::La8 | ExtendedColorType::La16);
        assert_eq!(photo.losses(ImageFormat::Tiff), if is_gray_alpha { &[Loss::Gray][..] } else { &[] });
    }
}

#[test]
fn webp_and_bmp_keep_pixels_and_say_what_they_do_not() {
    let picture = DynamicImage::ImageRgb8(scene(33, 21));
    let mut webp = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut webp);
    encoder.set_icc_profile(profile()).expect("WebP holds profiles");
    encoder.set_exif_metadata(exif(1)).expect("WebP holds EXIF");
    encoder.write_image(picture.as_bytes(), 33, 21, ExtendedColorType::Rgb8).expect("encoded");
    let photo = Photograph::from_bytes(&webp).expect("a picture");
    assert_eq!(photo.losses(ImageFormat::WebP), []);
    let again = Photograph::from_bytes(&photo.to_bytes(ImageFormat::WebP).expect("encoded")).expect("read");
    assert_eq!((again.pixels(), again.icc_profile()), (photo.pixels(), Some(&profile()[..])));
    assert_eq!(again.exif(), Some(&exif(1)[..]));
    assert_eq!(photo.losses(ImageFormat::Bmp), [Loss::Profile, Loss::Exif]);
    let bmp = Photograph::from_bytes(&photo.to_bytes(ImageFormat::Bmp).expect("encoded")).expect("read");
    assert_eq!((bmp.pixels(), bmp.format()), (photo.pixels(), ImageFormat::Bmp));
}

#[test]
fn a_jpeg_keeps_size_and_quality_profile_and_exif() {
    let picture = scene(320, 240);
    for (quality, sampling, progressive) in [
        (40, SamplingFactor::F_2_2, false),
        (75, SamplingFactor::F_2_1, true),
        (92, SamplingFactor::F_1_1, false),
        (98, SamplingFactor::F_2_2, true),
    ] {
        let mut source = Vec::new();
        let mut encoder = Encoder::new(&mut source, quality);
        encoder.set_sampling_factor(sampling);
        encoder.set_progressive(progressive);
        encoder.add_icc_profile(&profile()).expect("fits");
        encoder.add_exif_metadata(&exif(1)).expect("fits");
        encoder.encode(picture.as_raw(), 320, 240, ColorType::Rgb).expect("encoded");

        let photo = Photograph::from_bytes(&source).expect("a picture");
        let written = photo.to_bytes(ImageFormat::Jpeg).expect("encoded");
        let without_profile = |bytes: &[u8]| (bytes.len() - profile().len()) as f64;
        let ratio = without_profile(&written) / without_profile(&source);
        assert!((0.75..=1.25).contains(&ratio), "quality {quality}: {ratio:.2} times the size");
        let again = Photograph::from_bytes(&written).expect("read");
        assert_eq!((again.icc_profile(), again.exif()), (Some(&profile()[..]), Some(&exif(1)[..])));
        let (one, other) = (photo.pixels().to_eight(), again.pixels().to_eight());
        let apart: u64 = one.iter().zip(other.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        // Mostly the grain in the colors, which subsampling takes another time.
        assert!(apart as f64 / (one.len() as f64) < 2.0, "quality {quality}: {apart} apart");
    }
}

#[test]
fn image_s_own_jpegs_and_gray_ones_keep_their_size() {
    let color = DynamicImage::ImageRgb8(scene(200, 150));
    for picture in [color.clone(), DynamicImage::ImageLuma8(color.into_luma8())] {
        let mut source = Vec::new();
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut source, 85)).expect("encoded");
        let photo = Photograph::from_bytes(&source).expect("a picture");
        let written = photo.to_bytes(ImageFormat::Jpeg).expect("encoded");
        let ratio = written.len() as f64 / source.len() as f64;
        assert!((0.75..=1.25).contains(&ratio), "{ratio:.2} times the size");
        assert_eq!(image::load_from_memory(&written).expect("read").color(), picture.color());
    }
}

#[test]
fn every_orientation_comes_upright_once() {
    // Upright: red at the top left, green at the top right, blue at the bottom left, white at the bottom
    // right.
    let upright = RgbImage::from_fn(48, 32, |x, y| {
        Rgb(match (x < 24, y < 16) {
            (true, true) => [255, 0, 0],
            (false, true) => [0, 255, 0],
            (true, false) => [0, 0, 255],
            (false, false) => [255; 3],
        })
    });
    // How each orientation lies in the file: the inverse of what is to be done.
    let stored = |orientation: u8| {
        let picture = DynamicImage::ImageRgb8(upright.clone());
        match orientation {
            2 => picture.fliph(),
            3 => picture.rotate180(),
            4 => picture.flipv(),
            5 => picture.rotate90().fliph(),
            6 => picture.rotate270(),
            7 => picture.rotate270().fliph(),
            8 => picture.rotate90(),
            _ => picture,
        }
    };
    for orientation in 1..=8 {
        let stored = stored(orientation).into_rgb8();
        let (width, height) = stored.dimensions();
        let mut png = Vec::new();
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_exif_metadata(exif(orientation)).expect("PNG holds EXIF");
        encoder.write_image(&stored, width, height, ExtendedColorType::Rgb8).expect("encoded");
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, 100);
        encoder.add_exif_metadata(&exif(orientation)).expect("fits");
        encoder.encode(&stored, width as u16, height as u16, ColorType::Rgb).expect("encoded");
        let mut webp = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        // Some programs put the prefix of JPEG's segment into WebP.
        encoder.set_exif_metadata([b"Exif\0\0", &exif(orientation)[..]].concat()).expect("WebP holds EXIF");
        encoder.write_image(&stored, width, height, ExtendedColorType::Rgb8).expect("encoded");

        for (bytes, format) in [(png, ImageFormat::Png), (jpeg, ImageFormat::Jpeg), (webp, ImageFormat::WebP)]
        {
            // Once when it is read, and not again when what was written is read.
            let photo = Photograph::from_bytes(&bytes).expect("a picture");
            let again = Photograph::from_bytes(&photo.to_bytes(format).expect("encoded")).expect("read");
            for photo in [&photo, &again] {
                let pixels = photo.pixels().to_eight();
                assert_eq!(pixels.dimensions(), (48, 32), "{orientation} in {format:?}");
                for (x, y) in [(4, 4), (43, 4), (4, 27), (43, 27)] {
                    let apart = pixels.get_pixel(x, y).0.iter().zip(upright.get_pixel(x, y).0);
                    let apart = apart.map(|(a, b)| a.abs_diff(b)).max();
                    assert!(apart <= Some(4), "{orientation} in {format:?} at ({x}, {y})");
                }
                assert_eq!(photo.exif(), Some(&exif(1)[..]));
            }
        }
    }
}

#[test]
fn the_name_of_the_output_decides_its_format() {
    let folder = tempfile::tempdir().expect("folder");
    let source = folder.path().join("source.png");
    scene(20, 10).save(&source).expect("written");
    let photo = Photograph::open(&source).expect("a picture");
    let formats = [
        ("a.jpg", ImageFormat::Jpeg),
        ("a.JPEG", ImageFormat::Jpeg),
        ("a.tif", ImageFormat::Tiff),
        ("a", ImageFormat::Png),
    ];
    for (name, format) in formats {
        let path = folder.path().join(name);
        photo.save(&path).expect("written");
        let bytes = std::fs::read(path).expect("there");
        assert_eq!(image::guess_format(&bytes).ok(), Some(format), "{name}");
    }
    for name in ["a.gif", "a.txt"] {
        assert!(matches!(photo.save(folder.path().join(name)), Err(PhotoError::Name { .. })), "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1 + formats.len());
}

#[test]
fn other_formats_take_what_they_can() {
    // Half transparent, 16 bits: over white in JPEG, 8 bits with alpha in WebP.
    let picture = image::ImageBuffer::from_pixel(3, 2, image::Rgba([0_u16, 0x8080, 0xffff, 0x8080]));
    let mut png = Cursor::new(Vec::new());
    DynamicImage::ImageRgba16(picture).write_to(&mut png, ImageFormat::Png).expect("encoded");
    let photo = Photograph::from_bytes(png.get_ref()).expect("a picture");
    assert_eq!(photo.losses(ImageFormat::Jpeg), [Loss::Depth, Loss::Transparency, Loss::Exactness]);
    let webp = image::load_from_memory(&photo.to_bytes(ImageFormat::WebP).expect("encoded")).expect("read");
    assert_eq!(webp.into_rgba8().get_pixel(0, 0).0, [0, 128, 255, 128]);
    let jpeg = image::load_from_memory(&photo.to_bytes(ImageFormat::Jpeg).expect("encoded")).expect("read");
    let [red, green, blue] = jpeg.into_rgb8().get_pixel(0, 0).0;
    assert!(
        red.abs_diff(127) < 4 && green.abs_diff(191) < 4 && blue.abs_diff(255) < 4,
        "{red} {green} {blue}"
    );
}

#[test]
fn what_cannot_be_used_is_said_in_one_line() {
    let refuse = |bytes: &[u8]| {
        let text = Photograph::from_bytes(bytes).expect_err("refused").to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    };
    assert!(refuse(b"").contains("it is empty"));
    assert!(refuse(b"a letter").contains("its content is no picture"));
    assert!(refuse(b"GIF89a....").contains("it holds GIF"));
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 80).encode(scene(64, 64).as_raw(), 64, 64, ColorType::Rgb).expect("encoded");
    assert!(refuse(&jpeg[..jpeg.len() * 2 / 3]).contains("cut off"));
    let mut inks = Vec::new();
    Encoder::new(&mut inks, 80).encode(&[7; 4 * 64], 8, 8, ColorType::Cmyk).expect("encoded");
    assert!(refuse(&inks).contains("printing inks"));
    let mut float = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(scene(4, 4))
        .into_rgb32f()
        .write_with_encoder(TiffEncoder::new(&mut float))
        .expect("encoded");
    assert!(refuse(float.get_ref()).contains("floating-point"));
    let mut png = Cursor::new(Vec::new());
    scene(64, 64).write_to(&mut png, ImageFormat::Png).expect("encoded");
    assert!(refuse(&png.get_ref()[..200]).contains("is damaged"));
    // A header that promises 30000x30000 pixels.
    let mut bomb = png.into_inner();
    bomb[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let text = refuse(&bomb);
    assert!(text.contains("million pixels") || text.contains("damaged"), "{text}");
    let absent = Photograph::open("absent.png").expect_err("not there").to_string();
    assert!(absent.starts_with("cannot read absent.png: "), "{absent}");
}

#[test]
fn the_color_of_a_gray_picture_is_its_luminance() {
    let mut png = Cursor::new(Vec::new());
    image::GrayImage::from_pixel(2, 1, image::Luma([9]))
        .write_to(&mut png, ImageFormat::Png)
        .expect("encoded");
    let mut photo = Photograph::from_bytes(png.get_ref()).expect("a picture");
    if let Pixels::Eight(pixels) = photo.pixels_mut() {
        pixels.put_pixel(1, 0, Rgb([0, 255, 0]));
    }
    let written = image::load_from_memory(&photo.to_bytes(ImageFormat::Png).expect("encoded")).expect("read");
    assert_eq!((written.color(), written.as_bytes()), (image::ColorType::L8, &[9, 182][..]));
}
