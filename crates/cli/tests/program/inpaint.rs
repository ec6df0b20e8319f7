//! `inpaint`: what changes in a photograph and what stays; folders, broken files, killed and continued runs.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use context_encoder::{
    data::Facades,
    eval::Protocol,
    files::{Photograph, Pixels},
    mask::Mask,
};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba};
use tempfile::tempdir;

use crate::{ends_with, folder_with_weights, program, records, run};

/// Fills a folder of photographs under one mask.
const FILL_FOLDER: &str = "inpaint photos --mask mask.png -o filled --weights model.safetensors";

fn picture() -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3) as u8, (y * 3) as u8, (x + y) as u8]))
}

/// A build without the feature `pretrained` says so instead.
#[test]
fn default_weights_are_pretrained() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let wall = RgbImage::from_fn(90, 70, |x, y| Rgb([150, (60 + x) as u8, (200 - y) as u8]));
    wall.save(folder.join("wall.png")).expect("written");
    let mask = Mask::from_fn(90, 70, |x, y| x.abs_diff(40) + y.abs_diff(30) < 15);
    mask.save(folder.join("hole.png")).expect("written");
    let (code, out, error) = run(folder, "inpaint wall.png --mask hole.png -o filled.png");
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    let filled = image::open(folder.join("filled.png")).expect("a picture").to_rgb8();
    for (x, y, pixel) in filled.enumerate_pixels() {
        let apart = pixel.0.iter().zip(wall.get_pixel(x, y).0).map(|(a, b)| a.abs_diff(b)).max();
        assert!(apart == Some(0) || mask.is_hidden(x, y) && apart < Some(40), "{x}, {y}: {apart:?}");
    }
}

#[test]
fn only_hidden_pixels_change_in_16_bits_with_alpha() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let deep = ImageBuffer::from_fn(64, 64, |x, y| {
        // Curved, so that a smooth fill of an untrained network differs everywhere.
        Rgba([(x * x * 16) as u16, (y * y * 16) as u16, ((x * x + y) * 15) as u16, (65_535 - x * 100) as u16])
    });
    DynamicImage::ImageRgba16(deep.clone()).save(folder.join("in.png")).expect("written");
    let line = "inpaint in.png --mask mask.png -o out.png --weights model.safetensors --json";
    let records = records(&ends_with(0, folder, line));
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
fn equal_inputs_give_equal_files() {
    let folder = folder_with_weights();
    let folder = folder.path();
    picture().save(folder.join("in.png")).expect("written");
    let read = |name: &str| {
        let line = format!("inpaint in.png --mask mask.png -o {name} --weights model.safetensors");
        ends_with(0, folder, &line);
        fs::read(folder.join(name)).expect("written")
    };
    assert_eq!(read("a.png"), read("b.png"));
}

#[test]
fn mask_color_selects_pixels_within_tolerance() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let mut scribbled = picture();
    for i in 20..40 {
        scribbled.put_pixel(i, 30, Rgb([255, 0, 255]));
        scribbled.put_pixel(i, 31, Rgb([250, 4, 255]));
    }
    scribbled.save(folder.join("in.png")).expect("written");
    let fill = |tolerance: &str| {
        let mask = format!("--mask-color #ff00ff --tolerance {tolerance}");
        let line = format!("inpaint in.png {mask} -o out.png --weights model.safetensors --json");
        records(&ends_with(0, folder, &line))[0]["pixels"].clone()
    };
    assert_eq!((fill("0"), fill("5")), (20.into(), 40.into()));
    let filled = image::open(folder.join("out.png")).expect("a picture").into_rgb8();
    assert_ne!(filled.get_pixel(25, 30), &Rgb([255, 0, 255]));
    assert_eq!(filled.get_pixel(25, 33), scribbled.get_pixel(25, 33));
}

#[test]
fn soft_mask_blends_fill_and_picture() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let pixels = ImageBuffer::from_pixel(64, 64, Rgb([60_000_u16, 0, 30_000]));
    DynamicImage::ImageRgb16(pixels).save(folder.join("in.png")).expect("written");
    // Half hidden at the left of the hole, wholly at its right.
    let coverage = GrayImage::from_fn(64, 64, |x, y| match (x, y) {
        (20..32, 20..40) => Luma([128]),
        (32..44, 20..40) => Luma([255]),
        _ => Luma([0]),
    });
    coverage.save(folder.join("mask.png")).expect("written");
    let line = "inpaint in.png --mask mask.png --soft -o out.tif --weights model.safetensors --blend none --refine none -v";
    let (code, _, error) = run(folder, line);
    assert!(code == 0 && error.contains("480 pixels"), "{error}");
    let photo = Photograph::open(folder.join("out.tif")).expect("a picture");
    let Pixels::Sixteen(filled) = photo.pixels() else { panic!("16 bits came in") };
    let far = |x: u32| 60_000 - i32::from(filled.get_pixel(x, 30).0[0]);
    assert!(far(10) == 0 && far(25) > 5000 && far(40) > far(25), "{} {} {}", far(10), far(25), far(40));
}

/// Writes photographs in several formats and folders.
fn photographs(folder: &Path, count: u64) {
    let facades = Facades::new(5).with_size(64, 64);
    fs::create_dir_all(folder.join("more")).expect("created");
    for index in 0..count {
        let (ending, format) =
            [("png", ImageFormat::Png), ("jpg", ImageFormat::Jpeg), ("bmp", ImageFormat::Bmp)]
                [index as usize % 3];
        let name =
            if index % 4 == 0 { format!("more/{index:03}.{ending}") } else { format!("{index:03}.{ending}") };
        facades.image(index).save_with_format(folder.join(name), format).expect("written");
    }
}

/// Files in a folder and its subfolder, by name.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for place in [folder.to_owned(), folder.join("more")] {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            if entry.path().is_file() {
                let name =
                    entry.path().strip_prefix(folder).expect("below").to_string_lossy().replace('\\', "/");
                names.insert(name);
            }
        }
    }
    names
}

#[test]
fn broken_files_fail_alone() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let photos = folder.join("photos");
    photographs(&photos, 19);
    let whole = fs::read(photos.join("001.jpg")).expect("there");
    fs::write(photos.join("cut.jpg"), &whole[..whole.len() / 2]).expect("written");
    fs::write(photos.join("text.png"), "not a picture").expect("written");
    fs::write(photos.join("empty.jpg"), "").expect("written");
    Facades::new(1).with_size(80, 64).image(0).save(photos.join("size.png")).expect("written");

    let records = records(&ends_with(3, folder, &format!("{FILL_FOLDER} --json --threads 3")));
    let failed: BTreeSet<&str> = records
        .iter()
        .filter(|record| record["event"] == "failed")
        .map(|record| {
            record["file"].as_str().and_then(|file| file.rsplit(['/', '\\']).next()).expect("a file")
        })
        .collect();
    assert_eq!(failed, BTreeSet::from(["cut.jpg", "empty.jpg", "size.png", "text.png"]));
    let done = records.last().expect("a last record");
    assert_eq!((&done["filled"], &done["failed"]), (&19.into(), &4.into()));
    let filled = files(&folder.join("filled"));
    assert_eq!(filled.len(), 19);
    for name in &filled {
        let format = |path: &Path| image::guess_format(&fs::read(path).expect("there")).expect("a picture");
        assert_eq!(format(&folder.join("filled").join(name)), format(&photos.join(name)), "{name}");
    }
}

#[test]
fn mask_folder_pairs_masks_by_name() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let (photos, masks) = (folder.join("photos"), folder.join("masks"));
    photographs(&photos, 3);
    fs::create_dir_all(masks.join("more")).expect("created");
    for name in ["more/000.png", "001.png", "001.bmp"] {
        fs::copy(folder.join("mask.png"), masks.join(name)).expect("copied");
    }
    let line = "inpaint photos --mask-dir masks -o filled --weights model.safetensors --json";
    let records = records(&ends_with(3, folder, line));
    let reason = |file: &str| {
        let record =
            records.iter().find(|record| record["file"].as_str().is_some_and(|name| name.contains(file)));
        record.expect("a record")["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(reason("000.png"), "");
    assert!(reason("001.jpg").contains("several masks"), "{}", reason("001.jpg"));
    assert!(reason("002.bmp").contains("no mask for it in masks; put one there under the name 002.png"));
}

#[test]
fn killed_run_leaves_whole_files_and_resumes() {
    let folder = folder_with_weights();
    let folder = folder.path();
    photographs(&folder.join("photos"), 120);
    let filled = folder.join("filled");
    let mut run = program(folder, FILL_FOLDER).arg("--quiet").spawn().expect("started");
    let start = Instant::now();
    while files(&filled).len() < 10 && start.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
    run.kill().expect("killed");
    run.wait().expect("ended");
    let is_leftover = |name: &String| name.contains(".context-encoder.part");
    let left = files(&filled);
    for name in left.iter().filter(|name| !is_leftover(name)) {
        image::open(filled.join(name)).unwrap_or_else(|error| panic!("{name} is half written: {error}"));
    }
    let done = left.iter().filter(|name| !is_leftover(name)).count();
    assert!((1..120).contains(&done), "{done}");
    // What a kill in the middle of writing leaves.
    fs::write(filled.join(".x.png.1.0.context-encoder.part"), "half").expect("written");
    let before =
        |name: &str| fs::metadata(filled.join(name)).and_then(|file| file.modified()).expect("there");
    let times: Vec<_> =
        left.iter().filter(|name| !is_leftover(name)).map(|name| (name, before(name))).collect();

    let out = ends_with(0, folder, &format!("{FILL_FOLDER} --resume --json"));
    let last = records(&out).pop().expect("a last record");
    assert_eq!((&last["passed_over"], &last["filled"]), (&done.into(), &(120 - done).into()));
    let all = files(&filled);
    assert_eq!((all.len(), all.iter().filter(|name| is_leftover(name)).count()), (120, 0));
    assert!(times.iter().all(|(name, time)| before(name) == *time), "finished files are left alone");

    let out = ends_with(0, folder, &format!("{FILL_FOLDER} --resume --json"));
    assert_eq!(records(&out).pop().expect("a record")["filled"], 0);
}
