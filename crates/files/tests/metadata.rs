//! What a file holds beside its pixels: kept where the format has a place for it, said where it is not.

use std::io::Cursor;

use context_encoder_files::{Loss, Photograph, Pixels};
use image::codecs::bmp::BmpEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage, RgbaImage};
use jpeg_encoder::{ColorType, Encoder, PixelDensity, SamplingFactor};
use tiff::encoder::colortype::{Gray8, RGB8, RGBA8};
use tiff::encoder::{Compression, DeflateLevel, Predictor, Rational, TiffEncoder};
use tiff::tags::{ExtraSamples, Tag};

/// A picture of one color, 16x12, compressed with loss, which no encoder here writes.
const LOSSY_WEBP: &[u8] = b"\
    \x52\x49\x46\x46\x30\x00\x00\x00\x57\x45\x42\x50\x56\x50\x38\x20\x24\x00\x00\x00\x70\x01\
    \x00\x9d\x01\x2a\x10\x00\x0c\x00\x02\xc0\x4c\x25\x90\x02\x74\x01\x40\x00\x00\xfe\xe4\x01\
    \x7a\xf5\xa5\xb9\xbb\x1f\xc9\xfa\x23\x00\x00\x00";

const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp];

fn scene() -> RgbImage {
    RgbImage::from_fn(16, 12, |x, y| Rgb([(x * 16) as u8, (y * 20) as u8, (x * y) as u8]))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(scene()).write_to(&mut file, format).expect("encoded");
    file.into_inner()
}

fn read(bytes: &[u8]) -> Photograph {
    Photograph::from_bytes(bytes).expect("a photograph")
}

fn converted(photo: &Photograph, format: ImageFormat) -> Vec<u8> {
    photo.to_bytes(format).expect("encoded")
}

/// A chunk with its checksum.
fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let content = [&kind[..], data].concat();
    let mut crc = u32::MAX;
    for &byte in &content {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    [&(data.len() as u32).to_be_bytes()[..], &content, &(!crc).to_be_bytes()].concat()
}

/// A PNG with these chunks after its header.
fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let png = encoded(ImageFormat::Png);
    [&png[..33], &chunks.concat(), &png[33..]].concat()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A TIFF file of one RGB image, with what `more` writes into its directory.
fn tiff_with(
    more: impl Fn(&mut tiff::encoder::DirectoryEncoder<'_, &mut Cursor<Vec<u8>>, Classic>),
) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("a header");
    let mut image = encoder.new_image::<RGB8>(16, 12).expect("an image");
    more(image.encoder());
    image.write_data(scene().as_raw()).expect("written");
    file.into_inner()
}

type Classic = tiff::encoder::TiffKindStandard;

/// The number of a tag in the first directory of a TIFF file.
fn tiff_number(file: &[u8], tag: Tag) -> Option<u32> {
    tiff::decoder::Decoder::new(Cursor::new(file))
        .expect("TIFF")
        .find_tag(tag)
        .expect("read")?
        .into_u32()
        .ok()
}

#[test]
fn photographs_without_metadata_are_written_as_the_encoders_write_them() {
    let (image, (width, height)) = (scene(), (16, 12));
    let colors = ExtendedColorType::Rgb8;
    for source in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
        let photo = read(&encoded(source));
        assert_eq!(photo.losses(source), [], "{source:?}");
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive)
            .write_image(&image, width, height, colors)
            .expect("encoded");
        assert!(converted(&photo, ImageFormat::Png) == png, "{source:?}");
        let mut tiff = Cursor::new(Vec::new());
        image::codecs::tiff::TiffEncoder::new(&mut tiff)
            .write_image(&image, width, height, colors)
            .expect("encoded");
        assert!(converted(&photo, ImageFormat::Tiff) == tiff.into_inner(), "{source:?}");
        let mut bmp = Vec::new();
        BmpEncoder::new(&mut bmp).write_image(&image, width, height, colors).expect("encoded");
        assert!(converted(&photo, ImageFormat::Bmp) == bmp, "{source:?}");
        let mut webp = Vec::new();
        WebPEncoder::new_lossless(&mut webp).write_image(&image, width, height, colors).expect("encoded");
        assert!(converted(&photo, ImageFormat::WebP) == webp, "{source:?}");
    }
}

#[test]
fn frames_text_and_other_chunks_of_png_are_said() {
    let frame = |sequence: u8| {
        let sides = [0, 0, 0, 16, 0, 0, 0, 12];
        png_chunk(b"fcTL", &[&[0, 0, 0, sequence][..], &sides, &[0; 8], &[0, 1, 0, 10, 0, 0]].concat())
    };
    let still = encoded(ImageFormat::Png);
    let pixels = &still[33..still.len() - 12];
    let further = |sequence: u8| {
        let data = [&[0, 0, 0, sequence + 1], &pixels[8..pixels.len() - 4]].concat();
        [frame(sequence), png_chunk(b"fdAT", &data)].concat()
    };
    let animation = [
        &still[..33],
        &png_chunk(b"acTL", &[0, 0, 0, 3, 0, 0, 0, 0]),
        &png_chunk(b"tEXt", b"Author\0me"),
        &png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"),
        &png_chunk(b"sBIT", &[8, 8, 8]),
        &frame(0),
        pixels,
        &further(1),
        &further(3),
        &still[still.len() - 12..],
    ]
    .concat();
    let losses = read(&animation).losses(ImageFormat::Png);
    assert_eq!(losses, [Loss::Frames(2), Loss::Xmp, Loss::Text, Loss::Other]);
    assert_eq!(
        Loss::sentence(&losses).as_deref(),
        Some("2 further frames, the XMP data, the PNG text and other metadata are left out")
    );
}

#[test]
fn palettes_and_few_bits_are_said() {
    let mut palette = Vec::new();
    let mut encoder = png::Encoder::new(&mut palette, 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(&[9, 9, 9, 200, 0, 0][..]);
    encoder.write_header().expect("header").write_image_data(&[0, 1]).expect("written");
    assert_eq!(read(&palette).losses(ImageFormat::Png), [Loss::Palette]);
    let mut bits = Vec::new();
    let mut encoder = png::Encoder::new(&mut bits, 8, 1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header().expect("header").write_image_data(&[0x55]).expect("written");
    assert_eq!(read(&bits).losses(ImageFormat::Png), [Loss::Bits]);
    let mut gray = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(scene()).into_luma8().write_to(&mut gray, ImageFormat::Bmp).expect("encoded");
    assert_eq!(read(gray.get_ref()).losses(ImageFormat::Bmp), [Loss::Palette]);
}

#[test]
fn gray_with_transparency_keeps_its_transparency_everywhere() {
    let mut png = Cursor::new(Vec::new());
    image::GrayAlphaImage::from_pixel(2, 1, image::LumaA([90, 30]))
        .write_to(&mut png, ImageFormat::Png)
        .expect("encoded");
    let photo = read(png.get_ref());
    for format in [ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp] {
        let again = image::load_from_memory(&converted(&photo, format)).expect("read").into_rgba8();
        assert_eq!(again.get_pixel(0, 0).0, [90, 90, 90, 30], "{format:?}");
        assert_eq!(photo.losses(format), [Loss::Gray], "{format:?}");
    }
    assert_eq!(photo.losses(ImageFormat::Png), []);
}

#[test]
fn the_color_space_of_png_is_copied_byte_for_byte() {
    let chunks = [
        png_chunk(b"gAMA", &100_000_u32.to_be_bytes()),
        png_chunk(b"cHRM", &[0, 0, 0x7a, 0x26].repeat(8)),
        png_chunk(b"cICP", &[9, 16, 0, 1]),
        png_chunk(b"pHYs", &[0, 0, 0x2e, 0x23, 0, 0, 0x2e, 0x23, 1]),
    ];
    let photo = read(&png_with(&chunks));
    assert_eq!(photo.losses(ImageFormat::Png), []);
    let written = converted(&photo, ImageFormat::Png);
    assert!(written[33..].starts_with(&chunks.concat()));
    assert!(written == converted(&read(&written), ImageFormat::Png));
    assert_eq!(photo.losses(ImageFormat::Tiff), [Loss::ColorSpace]);

    // sRGB is what an image without a color space is taken for.
    let srgb = [png_chunk(b"gAMA", &45_455_u32.to_be_bytes()), png_chunk(b"sRGB", &[0])];
    let photo = read(&png_with(&srgb));
    assert!(converted(&photo, ImageFormat::Png)[33..].starts_with(&srgb.concat()));
    assert_eq!(photo.losses(ImageFormat::Tiff), []);

    // A damaged chunk must not become a valid one, nor stay as it is.
    let mut damaged = png_chunk(b"gAMA", &100_000_u32.to_be_bytes());
    damaged[9] ^= 1;
    let photo = read(&png_with(&[damaged]));
    assert!(!contains(&converted(&photo, ImageFormat::Png), b"gAMA"));
}

#[test]
fn the_resolution_goes_from_format_to_format() {
    let png = png_with(&[png_chunk(b"pHYs", &[0, 0, 0x2e, 0x23, 0, 0, 0x17, 0x12, 1])]); // 300 and 150 dpi
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.set_density(PixelDensity { density: (300, 150), unit: jpeg_encoder::PixelDensityUnit::Inches });
    encoder.encode(scene().as_raw(), 16, 12, ColorType::Rgb).expect("encoded");
    let tiff = tiff_with(|directory| {
        directory.write_tag(Tag::ResolutionUnit, 2_u16).expect("written");
        directory.write_tag(Tag::XResolution, Rational { n: 300, d: 1 }).expect("written");
        directory.write_tag(Tag::YResolution, Rational { n: 150, d: 1 }).expect("written");
    });
    let mut bmp = encoded(ImageFormat::Bmp);
    bmp[38..46].copy_from_slice(&[0x23, 0x2e, 0, 0, 0x12, 0x17, 0, 0]);
    for source in [&png, &jpeg, &tiff, &bmp] {
        let photo = read(source);
        let format = photo.format();
        assert!(contains(
            &converted(&photo, ImageFormat::Png),
            &[b"pHYs", &[0, 0, 0x2e, 0x23, 0, 0, 0x17, 0x12, 1][..]].concat()
        ));
        let jpeg = converted(&photo, ImageFormat::Jpeg);
        assert_eq!(&jpeg[13..18], [1, 300_u16.to_be_bytes()[0], 44, 0, 150], "{format:?}");
        assert_eq!(converted(&photo, ImageFormat::Bmp)[38..46], bmp[38..46], "{format:?}");
        let again = converted(&photo, ImageFormat::Tiff);
        let per_inch = |tag| match decoder(&again).get_tag(tag).expect("there") {
            tiff::decoder::ifd::Value::Rational(n, d) => f64::from(n) / f64::from(d),
            _ => 0.0,
        };
        let scale = if tiff_number(&again, Tag::ResolutionUnit) == Some(3) { 2.54 } else { 1.0 };
        let apart = [(Tag::XResolution, 300.0), (Tag::YResolution, 150.0)]
            .map(|(tag, expected)| (per_inch(tag) * scale - expected).abs());
        assert!(apart.iter().all(|&apart| apart < 0.02), "{format:?}: {apart:?}");
        assert!(photo.losses(ImageFormat::WebP).contains(&Loss::Resolution));
        assert!(!photo.losses(format).contains(&Loss::Resolution));
    }
    // Exactly, within one format.
    assert_eq!(converted(&read(&tiff), ImageFormat::Tiff), tiff);
}

fn decoder(file: &[u8]) -> tiff::decoder::Decoder<Cursor<&[u8]>> {
    tiff::decoder::Decoder::new(Cursor::new(file)).expect("TIFF")
}

/// Big-endian EXIF data: maker, orientation 1, 40 pixels a centimetre, an EXIF directory with an exposure
/// time and a version, a GPS directory with a latitude.
fn camera_exif() -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value.to_be_bytes()].concat()
    };
    let (exif, gps, values) = (98, 128, 146);
    [
        &b"MM\0*\0\0\0\x08\0\x07"[..],
        &entry(271, 2, 6, values),
        &entry(274, 3, 1, 1 << 16),
        &entry(282, 5, 1, values + 38),
        &entry(283, 5, 1, values + 38),
        &entry(296, 3, 1, 3 << 16),
        &entry(0x8769, 4, 1, exif),
        &entry(0x8825, 4, 1, gps),
        &[0; 4],
        &[0, 2],
        &entry(0x829a, 5, 1, values + 6),
        &entry(0x9000, 7, 4, 0x3032_3332),
        &[0; 4],
        &[0, 1],
        &entry(2, 5, 3, values + 14),
        &[0; 4],
        b"Maker\0",
        &[0, 0, 0, 1, 0, 0, 0, 125],
        &[0, 0, 0, 48, 0, 0, 0, 1].repeat(3),
        &[0, 0, 0, 40, 0, 0, 0, 1],
    ]
    .concat()
}

#[test]
fn exif_and_gps_go_into_tiff_and_out_of_it() {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.add_exif_metadata(&camera_exif()).expect("fits");
    encoder.encode(scene().as_raw(), 16, 12, ColorType::Rgb).expect("encoded");
    let photo = read(&jpeg);
    assert_eq!(photo.losses(ImageFormat::Tiff), []);
    let tiff = converted(&photo, ImageFormat::Tiff);
    assert_eq!(tiff_number(&tiff, Tag::ResolutionUnit), Some(3), "the resolution of the EXIF data");
    let again = read(&tiff);
    assert_eq!(again.losses(ImageFormat::Tiff), []);
    // From TIFF to TIFF nothing changes any more, and its EXIF data go into JPEG, PNG and WebP.
    assert!(converted(&again, ImageFormat::Tiff) == tiff);
    let exif = again.exif().expect("EXIF data").to_vec();
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        assert_eq!(read(&converted(&again, format)).exif(), Some(&exif[..]), "{format:?}");
    }
    // The decoder finds all of it.
    let mut decoder = decoder(&tiff);
    assert_eq!(decoder.get_tag_ascii_string(Tag::Make).expect("there"), "Maker");
    let place = decoder.get_tag(Tag::ExifDirectory).expect("there").into_ifd_pointer().expect("a place");
    let directory = decoder.read_directory(place).expect("a directory");
    let exposure = decoder.read_directory_tags(&directory).get_tag(Tag::Unknown(0x829a)).expect("there");
    assert_eq!(exposure, tiff::decoder::ifd::Value::Rational(1, 125));
    let place = decoder.get_tag(Tag::GpsDirectory).expect("there").into_ifd_pointer().expect("a place");
    let directory = decoder.read_directory(place).expect("a directory");
    let latitude = decoder.read_directory_tags(&directory).get_tag(Tag::Unknown(2)).expect("there");
    assert_eq!(
        latitude,
        tiff::decoder::ifd::Value::List(vec![tiff::decoder::ifd::Value::Rational(48, 1); 3])
    );
}

#[test]
fn tiff_keeps_its_compression() {
    for (compression, predictor, code) in [
        (Compression::Lzw, Predictor::Horizontal, 5),
        (Compression::Lzw, Predictor::None, 5),
        (Compression::Deflate(DeflateLevel::default()), Predictor::Horizontal, 8),
        (Compression::Packbits, Predictor::None, 32_773),
        (Compression::Uncompressed, Predictor::None, 1),
    ] {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file)
            .expect("a header")
            .with_compression(compression)
            .with_predictor(predictor);
        encoder.write_image::<RGB8>(16, 12, scene().as_raw()).expect("written");
        let file = file.into_inner();
        let photo = read(&file);
        let written = converted(&photo, ImageFormat::Tiff);
        assert_eq!(tiff_number(&written, Tag::Compression), Some(code));
        assert!(written == file, "{code}");
        assert_eq!(read(&written).pixels(), photo.pixels());
    }
}

#[test]
fn associated_alpha_stays_associated_in_tiff_and_is_divided_out_elsewhere() {
    let image = RgbaImage::from_pixel(2, 1, image::Rgba([50, 100, 10, 100]));
    for (kind, png) in [(1_u16, [128, 255, 26, 100]), (2, [50, 100, 10, 100])] {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).expect("a header");
        let mut picture = encoder.new_image::<RGBA8>(2, 1).expect("an image");
        picture.encoder().write_tag(Tag::ExtraSamples, kind).expect("written");
        picture.write_data(image.as_raw()).expect("written");
        let photo = read(file.get_ref());
        assert!(converted(&photo, ImageFormat::Tiff) == file.into_inner());
        let written = image::load_from_memory(&converted(&photo, ImageFormat::Png)).expect("read");
        assert_eq!(written.into_rgba8().get_pixel(0, 0).0, png);
        assert_eq!(photo.losses(ImageFormat::Tiff), []);
    }
    // Alpha of other formats is marked as what it is.
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).expect("encoded");
    let tiff = converted(&read(png.get_ref()), ImageFormat::Tiff);
    assert_eq!(tiff_number(&tiff, Tag::ExtraSamples), Some(2));
    assert_eq!(read(&tiff).pixels(), &Pixels::Eight(RgbImage::from_pixel(2, 1, Rgb([50, 100, 10]))));
}

#[test]
fn further_channels_of_tiff_are_said() {
    for (extra, expected) in [
        (&[ExtraSamples::Unspecified][..], None),
        (&[ExtraSamples::UnassociatedAlpha, ExtraSamples::Unspecified], Some(vec![false, false])),
    ] {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).expect("a header");
        let mut picture = encoder.new_image::<RGB8>(2, 1).expect("an image");
        picture.extra_samples(extra).expect("taken");
        let pixel = [&[10, 20, 30, 200, 7][..3 + extra.len()]; 2];
        picture.write_data(&pixel.concat()).expect("written");
        let photo = read(file.get_ref());
        assert_eq!(photo.losses(ImageFormat::Tiff), [Loss::Channels]);
        assert_eq!(photo.transparent(), expected);
        assert_eq!(photo.pixels().to_eight().get_pixel(1, 0).0, [10, 20, 30]);
        assert_eq!(read(&converted(&photo, ImageFormat::Tiff)).pixels(), photo.pixels());
    }
}

#[test]
fn a_turned_image_has_its_resolution_turned() {
    let tiff = tiff_with(|directory| {
        directory.write_tag(Tag::ResolutionUnit, 2_u16).expect("written");
        directory.write_tag(Tag::XResolution, Rational { n: 300, d: 1 }).expect("written");
        directory.write_tag(Tag::YResolution, Rational { n: 150, d: 1 }).expect("written");
        directory.write_tag(Tag::Orientation, 6_u16).expect("written");
    });
    let photo = read(&tiff);
    assert_eq!(photo.dimensions(), (12, 16));
    let jpeg = converted(&photo, ImageFormat::Jpeg);
    assert_eq!(jpeg[13..18], [1, 0, 150, 1, 44]);
}

#[test]
fn pages_and_metadata_of_tiff_are_said() {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("a header");
    for _ in 0..3 {
        encoder.write_image::<RGB8>(16, 12, scene().as_raw()).expect("written");
    }
    let losses = read(file.get_ref()).losses(ImageFormat::Tiff);
    assert_eq!(losses, [Loss::Pages(2)]);
    assert_eq!(Loss::sentence(&losses).as_deref(), Some("2 further pages are left out"));
    let tiff = tiff_with(|directory| {
        directory.write_tag(Tag::Unknown(700), &b"<x/>"[..]).expect("written");
        directory.write_tag(Tag::Unknown(33_723), &b"iptc"[..]).expect("written");
        directory.write_tag(Tag::Unknown(65_000), 7_u16).expect("written");
        directory.write_tag(Tag::Software, "kept").expect("written");
    });
    let photo = read(&tiff);
    assert_eq!(photo.losses(ImageFormat::Tiff), [Loss::Xmp, Loss::Iptc, Loss::Other]);
    let written = converted(&photo, ImageFormat::Tiff);
    assert_eq!(decoder(&written).get_tag_ascii_string(Tag::Software).expect("there"), "kept");
}

#[test]
fn segments_and_the_trailer_of_jpeg_are_said() {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.set_progressive(true);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.add_app_segment(1, b"http://ns.adobe.com/xap/1.0/\0<x/>".to_vec()).expect("fits");
    encoder.add_app_segment(13, b"Photoshop 3.0\08BIM".to_vec()).expect("fits");
    encoder.add_app_segment(11, b"JP\0\0".to_vec()).expect("fits");
    encoder.encode(scene().as_raw(), 16, 12, ColorType::Rgb).expect("encoded");
    assert_eq!(read(&jpeg).losses(ImageFormat::Jpeg), [Loss::Xmp, Loss::Iptc, Loss::Other]);
    let plain = converted(&read(&encoded(ImageFormat::Jpeg)), ImageFormat::Jpeg);
    assert_eq!(read(&plain).losses(ImageFormat::Jpeg), []);
    let comment = [&plain[..2], b"\xff\xfe\0\x04hi", &plain[2..]].concat();
    assert_eq!(read(&comment).losses(ImageFormat::Jpeg), [Loss::Comment]);
    let video = [&plain[..], b"\0\0\0\x18ftypmp42"].concat();
    assert_eq!(read(&video).losses(ImageFormat::Jpeg), [Loss::Trailer]);
    assert_eq!(read(&[&plain[..], &[0; 100]].concat()).losses(ImageFormat::Jpeg), []);
}

#[test]
fn frames_and_compression_of_webp_are_said() {
    let still = encoded(ImageFormat::WebP);
    let pixels = &still[12..];
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        [&kind[..], &(data.len() as u32).to_le_bytes(), data, &[0; 1][..data.len() % 2]].concat()
    };
    let frame = chunk(b"ANMF", &[&[0, 0, 0, 0, 0, 0, 15, 0, 0, 11, 0, 0, 10, 0, 0, 0][..], pixels].concat());
    let chunks = [
        chunk(b"VP8X", &[0x02, 0, 0, 0, 15, 0, 0, 11, 0, 0]),
        chunk(b"ANIM", &[0; 6]),
        frame.clone(),
        frame.clone(),
        frame,
        chunk(b"XMP ", b"<x/>"),
    ]
    .concat();
    let animation = [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat();
    assert_eq!(read(&animation).losses(ImageFormat::WebP), [Loss::Frames(2), Loss::Xmp]);

    let lossy = LOSSY_WEBP;
    assert_eq!(read(lossy).losses(ImageFormat::WebP), [Loss::Compression]);
    assert_eq!(read(lossy).losses(ImageFormat::Png), []);
}

#[test]
fn a_developed_picture_is_no_raw_file_for_what_its_exif_data_remember() {
    // The one field is DNG's version. (Found by damaging files at random.)
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\xc6\x01\0\x04\0\0\0\x01\x04\0\0\0\0\0\0";
    let mut jpeg = Cursor::new(Vec::new());
    scene().write_to(&mut jpeg, ImageFormat::Jpeg).expect("encoded");
    let mut jpeg = jpeg.into_inner();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    drop(jpeg.splice(2..2, [0xff, 0xe1, length[0], length[1]].into_iter().chain(exif.iter().copied())));
    let photo = Photograph::from_bytes(&jpeg).expect("a photograph");
    assert!(photo.exif().is_some());
    let tiff = photo.to_bytes(ImageFormat::Tiff).expect("written");
    Photograph::from_bytes(&tiff).expect("a photograph again");
}

#[test]
fn raw_files_are_not_taken_for_their_previews() {
    let refused = |bytes: &[u8]| Photograph::from_bytes(bytes).expect_err("refused").to_string();
    let dng = tiff_with(|directory| {
        directory.write_tag(Tag::Unknown(50_706), &[1_u8, 4, 0, 0][..]).expect("written");
    });
    let text = refused(&dng);
    assert!(text.ends_with("it is a camera's raw file (DNG); develop it to TIFF or JPEG first"), "{text}");
    let sensor = tiff_with(|directory| {
        directory.write_tag(Tag::PhotometricInterpretation, 32_803_u16).expect("written");
    });
    assert!(refused(&sensor).contains("raw file;"));
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("a header");
    let mut below = encoder.extra_directory().expect("a directory");
    below.write_tag(Tag::PhotometricInterpretation, 32_803_u16).expect("written");
    let place = below.finish_with_offsets().expect("written").offset;
    let mut image = encoder.new_image::<RGB8>(16, 12).expect("an image");
    image.encoder().write_tag(Tag::SubIfd, place).expect("written");
    image.write_data(scene().as_raw()).expect("written");
    assert!(refused(file.get_ref()).contains("raw file;"));
    let preview = tiff_with(|directory| {
        directory.write_tag(Tag::NewSubfileType, 1_u32).expect("written");
        directory.write_tag(Tag::SubIfd, 8_u32).expect("written");
    });
    assert!(refused(&preview).contains("raw file;"));
}

#[test]
fn sound_files_of_other_kinds_are_unsupported_and_not_damaged() {
    let refused = |bytes: &[u8]| {
        let text = Photograph::from_bytes(bytes).expect_err("refused").to_string();
        assert!(!text.contains("damaged") && !text.contains("no picture") && !text.contains('\n'), "{text}");
        text
    };
    let colors = |photometric: u16| {
        refused(&tiff_with(|directory| {
            directory.write_tag(Tag::PhotometricInterpretation, photometric).expect("written");
        }))
    };
    assert!(colors(6).contains("YCbCr, which is not read in TIFF; convert it to RGB"));
    assert!(colors(8).contains("Lab"));
    assert!(colors(9).contains("Lab"));
    assert!(colors(32_844).contains("unknown"));
    let mut palette = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut palette).expect("a header");
    let mut image = encoder.new_image::<Gray8>(2, 1).expect("an image");
    image.encoder().write_tag(Tag::PhotometricInterpretation, 3_u16).expect("written");
    image.encoder().write_tag(Tag::ColorMap, &[7_u16; 768][..]).expect("written");
    image.write_data(&[0, 1]).expect("written");
    assert!(refused(palette.get_ref()).contains("a palette"));
    let zstandard = tiff_with(|directory| {
        directory.write_tag(Tag::Compression, 50_000_u16).expect("written");
    });
    assert!(refused(&zstandard).contains("Zstandard"));
    let tga = [&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 24, 0][..], &[7; 6]].concat();
    assert!(refused(&tga).contains("it holds TGA, which is not read; convert it to PNG or JPEG"));
    for (marker, part) in [(0xc9, "arithmetic coding"), (0xca, "arithmetic coding"), (0xc3, "lossless")] {
        let mut jpeg = encoded(ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame");
        jpeg[frame + 1] = marker;
        assert!(refused(&jpeg).contains(part));
    }
}

/// Whatever the bytes, no panic: files of every format, each byte changed and each length cut.
#[test]
fn damaged_metadata_cause_no_panic() {
    let mut sources: Vec<Vec<u8>> = FORMATS.map(encoded).into();
    sources.push(png_with(&[png_chunk(b"pHYs", &[1; 9]), png_chunk(b"tEXt", b"a")]));
    sources.push(tiff_with(|directory| {
        directory.write_tag(Tag::Software, "some name").expect("written");
        directory.write_tag(Tag::ExifDirectory, 8_u32).expect("written");
    }));
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.add_exif_metadata(&camera_exif()).expect("fits");
    encoder.encode(scene().as_raw(), 16, 12, ColorType::Rgb).expect("encoded");
    sources.push(converted(&read(&jpeg), ImageFormat::Tiff));
    sources.push(jpeg);
    for source in sources {
        let edges = (0..source.len()).filter(|at| *at < 240 || at + 500 > source.len());
        for at in edges {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = source.clone();
                bytes[at] = value;
                attempt(&bytes);
            }
            attempt(&source[..at]);
        }
    }
}

fn attempt(bytes: &[u8]) {
    // Whether it can be read does not matter here.
    if let Ok(photo) = Photograph::from_bytes(bytes) {
        for format in FORMATS {
            let _ = photo.to_bytes(format);
        }
    }
}
