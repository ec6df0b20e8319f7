//! Files damaged at random: reading them gives a value or an error and never a panic.
//!
//! Some hundred cases of each kind in an ordinary run; `FUZZ_CASES=1000000` makes a million, `FUZZ_SEED`
//! others. Damage is guided by format, not by coverage, which would need an unstable compiler: numbers that
//! break parsers, in headers more than elsewhere, and checksums put right again so that it gets past them.

use std::{
    fs,
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use context_encoder::{
    Device, Mask, Model, ModelConfig,
    data::{ImageDataset, Limits, Shards},
    files::Photograph,
    model::{FeatureEncoder, FeatureModelConfig},
    train::{PretrainConfig, TrainConfig},
};
use image::{DynamicImage, ImageFormat, RgbaImage};
use rand::{Rng, RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tempfile::tempdir;

/// Reads damaged copies of `files` and fails with the first few that end in a panic; each is kept in the
/// system's temporary folder.
fn fuzz(target: &str, files: &[Vec<u8>], read: impl Fn(&[u8])) {
    let number =
        |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (cases, seed) = (number("FUZZ_CASES", 300), number("FUZZ_SEED", 0));
    for file in files {
        read(file);
    }
    let (mut panics, mut slowest) = (Vec::new(), (Duration::ZERO, 0));
    for case in 0..cases {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(case);
        let bytes = damaged(files, &mut rng);
        let start = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| read(&bytes))).is_err() {
            let path = std::env::temp_dir().join(format!("context-encoder-fuzz-{target}-{seed}-{case}"));
            fs::write(&path, &bytes).expect("written");
            panics.push(path);
            assert!(panics.len() < 10, "{target}: {panics:#?}");
        }
        slowest = slowest.max((start.elapsed(), case));
    }
    // For `--nocapture`.
    eprintln!("{target}: {cases} cases, the slowest took {slowest:?}");
    assert!(panics.is_empty(), "{target}: {panics:#?}");
}

/// A copy of one of the files with one to eight kinds of damage.
fn damaged(files: &[Vec<u8>], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = files.choose(rng).expect("a file").clone();
    for _ in 0..rng.random_range(1..=8) {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        // Formats say at their beginning, some at their end, how the rest is to be read.
        let at = match rng.random_range(0..8) {
            0..4 => rng.random_range(0..length.min(256)),
            4..6 => length - 1 - rng.random_range(0..length.min(256)),
            _ => rng.random_range(0..length),
        };
        let end = (at + rng.random_range(1..64)).min(length);
        match rng.random_range(0..9) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes[at] = *[0, 1, 0x7f, 0x80, 0xff, b'0', b'"', b'{'].choose(rng).expect("a byte"),
            3..6 => {
                let number = *[0, 1, 2, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, length as u64, u64::MAX]
                    .choose(rng)
                    .expect("a number");
                let number = if rng.random() { number } else { number.wrapping_sub(rng.random_range(0..4)) };
                let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
                let width = *[2, 4, 8].choose(rng).expect("a width");
                let number = if rng.random() { &little[..width] } else { &big[8 - width..] };
                let end = (at + width).min(length);
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            6 => drop(bytes.drain(at..end)),
            7 => {
                let other = files.choose(rng).expect("a file");
                let from = rng.random_range(0..other.len());
                let part = other[from..(from + 64).min(other.len())].to_vec();
                drop(bytes.splice(at..at, part));
            }
            _ => bytes.truncate(at + 1),
        }
    }
    if rng.random_bool(0.75) {
        repair_png(&mut bytes);
        repair_tar(&mut bytes);
        repair_zip(&mut bytes);
    }
    bytes
}

/// CRC-32 as PNG and ZIP have it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn number_at(bytes: &[u8], at: usize, width: usize, big: bool) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(width)?)?.iter();
    let join = |all: usize, byte: &u8| (all << 8) | usize::from(*byte);
    Some(if big { bytes.fold(0, join) } else { bytes.rev().fold(0, join) })
}

fn repair_png(bytes: &mut [u8]) {
    let mut at = 8;
    while bytes.starts_with(b"\x89PNG")
        && let Some(length) = number_at(bytes, at, 4, true)
        && let Some(chunk) = bytes.get(at + 4..at + 8 + length)
    {
        let sum = crc(chunk).to_be_bytes();
        at += 12 + length;
        let Some(place) = bytes.get_mut(at - 4..at) else { return };
        place.copy_from_slice(&sum);
    }
}

/// Every block with the magic of a header.
fn repair_tar(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
}

/// Every file that the central directory lists, uncompressed as PyTorch leaves them.
fn repair_zip(bytes: &mut [u8]) {
    let entries: Vec<usize> =
        (0..bytes.len().saturating_sub(46)).filter(|&at| bytes[at..].starts_with(b"PK\x01\x02")).collect();
    for entry in entries {
        let (Some(size), Some(local)) =
            (number_at(bytes, entry + 20, 4, false), number_at(bytes, entry + 42, 4, false))
        else {
            continue;
        };
        let (Some(name), Some(extra)) =
            (number_at(bytes, local + 26, 2, false), number_at(bytes, local + 28, 2, false))
        else {
            continue;
        };
        let content = local + 30 + name + extra;
        let Some(sum) = bytes.get(content..content + size).map(crc) else { continue };
        for place in [entry + 16, local + 14] {
            bytes[place..place + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

/// A small picture in every format, with transparency where the format has it, resolution and EXIF data.
fn pictures() -> Vec<Vec<u8>> {
    let picture =
        RgbaImage::from_fn(19, 13, |x, y| image::Rgba([x as u8 * 9, y as u8 * 17, 77, 200 + x as u8]));
    let encoded = |image: &DynamicImage, format| {
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, format).expect("encoded");
        file.into_inner()
    };
    let picture = DynamicImage::ImageRgba8(picture);
    let deep = DynamicImage::ImageRgb16(picture.to_rgb16());
    let colors = DynamicImage::ImageRgb8(picture.to_rgb8());
    let mut all = vec![
        encoded(&picture, ImageFormat::Png),
        encoded(&deep, ImageFormat::Png),
        encoded(&DynamicImage::ImageLuma8(picture.to_luma8()), ImageFormat::Png),
        encoded(&colors, ImageFormat::Jpeg),
        encoded(&picture, ImageFormat::Tiff),
        encoded(&deep, ImageFormat::Tiff),
        encoded(&picture, ImageFormat::WebP),
        encoded(&picture, ImageFormat::Bmp),
        encoded(&colors, ImageFormat::Bmp),
    ];
    // What a camera adds: an EXIF directory with an orientation, behind its marker in a JPEG file.
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut jpeg = encoded(&colors, ImageFormat::Jpeg);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    drop(jpeg.splice(2..2, [0xff, 0xe1, length[0], length[1]].into_iter().chain(exif.iter().copied())));
    all.push(jpeg);
    let camera = Photograph::from_bytes(all.last().expect("a picture")).expect("read");
    assert!(camera.exif().is_some());
    all.extend(
        [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP]
            .map(|format| camera.to_bytes(format).expect("written")),
    );
    all
}

#[test]
fn photographs_and_what_is_written_of_them() {
    fuzz("photograph", &pictures(), |bytes| {
        let Ok(photograph) = Photograph::from_bytes(bytes) else { return };
        let (width, height) = photograph.dimensions();
        if u64::from(width) * u64::from(height) > 1 << 16 {
            return; // decoded, and too slow to write a million times
        }
        for format in
            [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp]
        {
            if let Ok(written) = photograph.to_bytes(format) {
                let again = Photograph::from_bytes(&written).expect("what was written can be read");
                assert_eq!(again.dimensions(), (width, height));
            }
        }
    });
}

#[test]
fn masks() {
    let folder = tempdir().expect("folder");
    let path = folder.path().join("mask");
    fuzz("mask", &pictures(), |bytes| {
        fs::write(&path, bytes).expect("written");
        if let Ok(mask) = Mask::load(&path, Some((19, 13))) {
            assert_eq!((mask.width(), mask.height()), (19, 13));
        }
    });
}

#[test]
fn shards() {
    let folder = tempdir().expect("folder");
    let pictures = pictures();
    let shard = |members: &[(&str, &[u8])]| {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, *content).expect("a member");
        }
        archive.into_inner().expect("an end")
    };
    let long = format!("{}/7.webp", "folder/".repeat(30));
    let files = [
        shard(&[("1.png", &pictures[0]), ("1.json", b"{}"), ("2.jpg", &pictures[3])]),
        shard(&[(&long, &pictures[6]), ("8.bmp", &pictures[7])]),
    ];
    let path = folder.path().join("a.tar");
    fuzz("shard", &files, |bytes| {
        fs::write(&path, bytes).expect("written");
        if let Ok(shards) = Shards::open(&path, Limits { min_side: 1, ..Limits::default() }) {
            for index in 0..shards.len().min(4) {
                assert!(!shards.name(index).is_empty());
                drop(shards.image(0, index));
            }
        }
    });
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures").join(name))
        .expect("a fixture")
}

#[test]
fn weights_of_pytorch() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let path = folder.path().join("weights.pth");
    let config = ModelConfig::default().with_size(64).with_width(1);
    fuzz("pth", &["netg_beside_others.pth", "netg_channel_wise_centre_128.pth"].map(fixture), |bytes| {
        fs::write(&path, bytes).expect("written");
        if Model::pytorch_parts_left_out(&path).is_ok() {
            // Whatever it holds, it is no network of this configuration.
            drop(Model::load_pytorch(&path, &config, &device).err());
        }
    });
}

#[test]
fn weights_of_torch7() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let path = folder.path().join("weights.t7");
    fuzz("t7", &["authors_centre.t7", "authors_whole_old.t7"].map(fixture), |bytes| {
        fs::write(&path, bytes).expect("written");
        drop(Model::load_torch7(&path, &device).err());
    });
}

#[test]
fn weights_of_caffe() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let path = folder.path().join("weights.caffemodel");
    fuzz("caffemodel", &["alexnet.caffemodel", "alexnet_old.caffemodel"].map(fixture), |bytes| {
        fs::write(&path, bytes).expect("written");
        drop(FeatureEncoder::load_caffe(&path, None, &device).err());
    });
}

#[test]
fn weights_of_this_library() {
    let (folder, device) = (tempdir().expect("folder"), Device::flex());
    let path = folder.path().join("weights.safetensors");
    let config = ModelConfig::default().with_size(64).with_width(1);
    config.init(&device).expect("a network").save(&path).expect("written");
    let model = fs::read(&path).expect("there");
    let config = FeatureModelConfig::alexnet().with_size(99).with_width(4);
    config.init(&device).expect("a network").save(&path).expect("written");
    let files = [model, fs::read(&path).expect("there")];
    fuzz("safetensors", &files, |bytes| {
        fs::write(&path, bytes).expect("written");
        drop(Model::load(&path, &device).err());
        drop(FeatureEncoder::load(&path, &device).err());
    });
}

#[test]
fn configurations() {
    let text = |text: String| text.into_bytes();
    let files = [
        text(TrainConfig::first_run().to_toml().expect("written")),
        text(PretrainConfig::default().to_toml().expect("written")),
        b"preset = \"recommended\"\nsteps = 2\n[masks]\nkind = \"random-region\"\n".to_vec(),
    ];
    fuzz("configuration", &files, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(config) = TrainConfig::from_toml(&text) {
            drop(config.validate());
        }
        if let Ok(config) = PretrainConfig::from_toml(&text) {
            drop(config.validate());
        }
    });
}
