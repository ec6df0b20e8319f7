//! One photograph: what changes and what stays.

use context_encoder::{
    eval::Protocol,
    files::{Photograph, Pixels, Rgb16Image},
    mask::Mask,
};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba};
use tempfile::tempdir;

use crate::{ends_with, mask, records, run, weights};

fn picture() -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3) as u8, (y * 3) as u8, (x + y) as u8]))
}

/// The network that comes with the program; a build without it says so instead.
#[test]
fn without_weights_the_programs_own_fill() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let wall = RgbImage::from_fn(90, 70, |x, y| Rgb([150, (60 + x) as u8, (200 - y) as u8]));
    wall.save(folder.join("wall.png")).expect("written");
    let mask = Mask::from_fn(90, 70, |x, y| x.abs_diff(40) + y.abs_diff(30) < 15);
    mask.save(folder.join("hole.png")).expect("written");
    let (code, out, error) = run(folder, &["inpaint", "wall.png", "--mask", "hole.png", "-o", "filled.png"]);
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    let filled = image::open(folder.join("filled.png")).expect("a picture").to_rgb8();
    for (x, y, pixel) in filled.enumerate_pixels() {
        let apart = pixel.0.iter().zip(wall.get_pixel(x, y).0).map(|(a, b)| a.abs_diff(b)).max();
        assert!(apart == Some(0) || mask.is_hidden(x, y) && apart < Some(40), "{x}, {y}: {apart:?}");
    }
}

#[test]
fn hidden_pixels_change_and_all_others_stay_at_16_bits_with_alpha() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    mask(folder);
    let deep = ImageBuffer::from_fn(64, 64, |x, y| {
        // Curved, so that a smooth fill of an untrained network differs everywhere.
        Rgba([(x * x * 16) as u16, (y * y * 16) as u16, ((x * x + y) * 15) as u16, (65_535 - x * 100) as u16])
    });
    DynamicImage::ImageRgba16(deep.clone()).save(folder.join("in.png")).expect("written");
    let arguments = [
        "inpaint",
        "in.png",
        "--mask",
        "mask.png",
        "-o",
        "out.png",
        "--weights",
        "model.safetensors",
        "--json",
    ];
    let records = records(&ends_with(0, folder, &arguments));
    assert_eq!(records[0]["event"], "filled");
    assert_eq!(records[0]["pixels"], 32 * 32);
    assert_eq!((&records[1]["event"], &records[1]["filled"]), (&"done".into(), &1.into()));

    let DynamicImage::ImageRgba16(filled) = image::open(folder.join("out.png")).expect("a picture") else {
        panic!("16 bits with alpha came in");
    };
    let hidden = Protocol::Hidden.mask(64);
    let mut changed = 0;
    for (x, y, pixel) in filled.enumerate_pixels() {
        let before = deep.get_pixel(x, y);
        assert_eq!(pixel.0[3], before.0[3], "alpha at ({x}, {y})");
        if hidden.is_hidden(x, y) {
            changed += usize::from(pixel != before);
        } else {
            assert_eq!(pixel, before, "({x}, {y})");
        }
    }
    assert!(changed > 1000, "{changed} of 1024 pixels");
}

#[test]
fn the_same_input_gives_the_same_file() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    mask(folder);
    picture().save(folder.join("in.png")).expect("written");
    let read = |name: &str| {
        ends_with(
            0,
            folder,
            &["inpaint", "in.png", "--mask", "mask.png", "-o", name, "--weights", "model.safetensors"],
        );
        std::fs::read(folder.join(name)).expect("written")
    };
    assert_eq!(read("a.png"), read("b.png"));
}

#[test]
fn a_colour_in_the_picture_says_what_to_fill() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    let mut scribbled = picture();
    for i in 20..40 {
        scribbled.put_pixel(i, 30, Rgb([255, 0, 255]));
        scribbled.put_pixel(i, 31, Rgb([250, 4, 255]));
    }
    scribbled.save(folder.join("in.png")).expect("written");
    let fill = |tolerance: &str| {
        let arguments = [
            "inpaint",
            "in.png",
            "--mask-colour",
            "#ff00ff",
            "--tolerance",
            tolerance,
            "-o",
            "out.png",
            "--weights",
            "model.safetensors",
            "--json",
        ];
        records(&ends_with(0, folder, &arguments))[0]["pixels"].clone()
    };
    assert_eq!((fill("0"), fill("5")), (20.into(), 40.into()));
    let filled = image::open(folder.join("out.png")).expect("a picture").into_rgb8();
    assert_ne!(filled.get_pixel(25, 30), &Rgb([255, 0, 255]));
    assert_eq!(filled.get_pixel(25, 33), scribbled.get_pixel(25, 33));
}

#[test]
fn soft_edges_mix() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    let pixels = Rgb16Image::from_pixel(64, 64, Rgb([60_000, 0, 30_000]));
    DynamicImage::ImageRgb16(pixels).save(folder.join("in.png")).expect("written");
    // Half hidden at the left of the hole, wholly at its right.
    let coverage = GrayImage::from_fn(64, 64, |x, y| match (x, y) {
        (20..32, 20..40) => Luma([128]),
        (32..44, 20..40) => Luma([255]),
        _ => Luma([0]),
    });
    coverage.save(folder.join("mask.png")).expect("written");
    let arguments = [
        "inpaint",
        "in.png",
        "--mask",
        "mask.png",
        "--soft",
        "-o",
        "out.tif",
        "--weights",
        "model.safetensors",
        "--blend",
        "none",
        "-v",
    ];
    let (code, _, said) = run(folder, &arguments);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("480 pixels"), "{said}");
    let photo = Photograph::open(folder.join("out.tif")).expect("a picture");
    let Pixels::Sixteen(filled) = photo.pixels() else { panic!("16 bits came in") };
    let far = |x: u32| 60_000 - i32::from(filled.get_pixel(x, 30).0[0]);
    assert!(far(10) == 0 && far(25) > 5000 && far(40) > far(25), "{} {} {}", far(10), far(25), far(40));
}
