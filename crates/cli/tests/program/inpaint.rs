//! `inpaint`: what changes in a photograph and what stays; folders, broken files, killed and continued runs.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use context_encoder::{
    data::Facades,
    eval::Protocol,
    files::{Photograph, Pixels},
    mask::Mask,
};
use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::jpeg::JpegEncoder,
};
use tempfile::tempdir;

use crate::{ends_with, fails_with, folder_with_weights, program, records, run};

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
fn a_dash_is_the_standard_output() {
    let folder = folder_with_weights();
    let folder = folder.path();
    picture().save(folder.join("in.png")).expect("written");
    let fill = "inpaint in.png --mask mask.png --weights model.safetensors";
    ends_with(0, folder, &format!("{fill} -o out.png"));
    let output = program(folder, &format!("{fill} -o -")).output().expect("the program starts");
    assert!(output.status.success());
    assert_eq!(output.stdout, fs::read(folder.join("out.png")).expect("written"));
    assert!(!folder.join("-").exists());
    assert!(fails_with(1, folder, &format!("{fill} -o - --json")).contains("standard output"));
    fs::create_dir(folder.join("photos")).expect("created");
    picture().save(folder.join("photos/a.png")).expect("written");
    let line = "inpaint photos --mask mask.png --weights model.safetensors -o -";
    assert!(fails_with(1, folder, line).contains("a single photograph"));
}

/// Otherwise each command would fill the results of the one before.
#[test]
fn results_inside_the_input_folder_are_no_inputs() {
    let folder = folder_with_weights();
    let folder = folder.path();
    fs::create_dir(folder.join("photos")).expect("created");
    for name in ["a.png", "b.png"] {
        picture().save(folder.join("photos").join(name)).expect("written");
    }
    let line = "inpaint photos --mask mask.png -o photos/filled --weights model.safetensors --json";
    for (resume, filled, passed_over) in [("", 2, 0), ("", 2, 0), ("--resume", 0, 2)] {
        let records = records(&ends_with(0, folder, &format!("{line} {resume}")));
        let done = records.last().expect("a record");
        assert_eq!((&done["filled"], &done["passed_over"]), (&filled.into(), &passed_over.into()));
    }
    assert_eq!(fs::read_dir(folder.join("photos/filled")).expect("a folder").count(), 2);
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
        let mask = format!("--mask-color #ff00ff --tolerance {tolerance} --grow 0");
        let line = format!("inpaint in.png {mask} -o out.png --weights model.safetensors --json");
        records(&ends_with(0, folder, &line))[0]["pixels"].clone()
    };
    assert_eq!((fill("0"), fill("5")), (20.into(), 40.into()));
    let filled = image::open(folder.join("out.png")).expect("a picture").into_rgb8();
    assert_ne!(filled.get_pixel(25, 30), &Rgb([255, 0, 255]));
    assert_eq!(filled.get_pixel(25, 33), scribbled.get_pixel(25, 33));
}

/// A magenta dash and dot of a round, anti-aliased brush over a picture; how much of each pixel is brush, 0
/// to 1.
fn brushed() -> (RgbImage, impl Fn(u32, u32) -> f32) {
    let share = |x: u32, y: u32| {
        let (dx, dy) = ((x as f32 - 26.3).abs() - 8.0, y as f32 - 30.6);
        let dash = dx.max(0.0).hypot(dy);
        let dot = (x as f32 - 50.5).hypot(y as f32 - 12.2);
        // The rim is two pixels wide.
        ((5.0 - dash.min(dot)) / 2.0).clamp(0.0, 1.0)
    };
    let mut picture = picture();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let mix = |channel: u8, brush: f32| channel as f32 + (brush - channel as f32) * share(x, y);
        pixel.0 =
            [mix(pixel.0[0], 255.0), mix(pixel.0[1], 0.0), mix(pixel.0[2], 255.0)].map(|v| v.round() as u8);
    }
    (picture, share)
}

#[test]
fn soft_rim_of_a_brush_is_hidden_without_tolerance() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let (painted, share) = brushed();
    painted.save(folder.join("in.png")).expect("written");
    let jpeg = fs::File::create(folder.join("in.jpg")).expect("created");
    JpegEncoder::new_with_quality(jpeg, 92).encode_image(&painted).expect("written");
    // As cameras and phones store JPEGs: half the resolution of color.
    let mut encoder = jpeg_encoder::Encoder::new_file(folder.join("sub.jpg"), 92).expect("created");
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.encode(&painted, 64, 64, jpeg_encoder::ColorType::Rgb).expect("written");
    for (name, color) in [("in.png", "#f0f"), ("in.jpg", "#ff00ff"), ("sub.jpg", "f0f")] {
        // Into a PNG, so that nothing but the fill changes pixels.
        let line = format!(
            "inpaint {name} --mask-color {color} -o out.png --weights model.safetensors --blend none --refine none"
        );
        ends_with(0, folder, &line);
        let before = image::open(folder.join(name)).expect("a picture").into_rgb8();
        let after = image::open(folder.join("out.png")).expect("a picture").into_rgb8();
        for (x, y, pixel) in after.enumerate_pixels().filter(|&(x, y, pixel)| pixel == before.get_pixel(x, y))
        {
            let share = share(x, y);
            assert!(share == 0.0, "{name}: {share} of brush at {x}, {y}");
            // Compression smears the brush's color beyond its rim.
            let apart = pixel.0.iter().zip(picture().get_pixel(x, y).0).map(|(a, b)| a.abs_diff(b)).max();
            assert!(apart < Some(32), "{name}: {apart:?} of the brush's color at {x}, {y}");
        }
        assert_eq!(after.get_pixel(26, 44), before.get_pixel(26, 44), "{name}: far from the brush");
    }
}

#[cfg(unix)]
#[test]
fn a_mask_is_read_from_a_pipe() {
    let folder = folder_with_weights();
    let folder = folder.path();
    picture().save(folder.join("in.png")).expect("written");
    let fill = "inpaint in.png --weights model.safetensors --mask";
    ends_with(0, folder, &format!("{fill} mask.png -o file.png"));
    let mut child = program(folder, &format!("{fill} /dev/stdin -o pipe.png"));
    let mut child = child.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mask = fs::read(folder.join("mask.png")).expect("there");
    child.stdin.take().expect("piped").write_all(&mask).expect("it reads");
    assert!(child.wait().expect("it ends").success());
    let result = |name| fs::read(folder.join(name)).expect("written");
    assert_eq!(result("pipe.png"), result("file.png"));
}

/// The pixels that a run changes, with `arguments` for its mask.
fn changed(folder: &Path, arguments: &str) -> Mask {
    let line = format!(
        "inpaint in.png {arguments} -o out.png --weights model.safetensors --blend none --refine none"
    );
    ends_with(0, folder, &line);
    let open = |name: &str| image::open(folder.join(name)).expect("a picture").into_rgb8();
    let (before, after) = (open("in.png"), open("out.png"));
    Mask::from_fn(64, 64, |x, y| before.get_pixel(x, y) != after.get_pixel(x, y))
}

#[test]
fn inverted_masks_keep_what_is_white() {
    let folder = folder_with_weights();
    let folder = folder.path();
    RgbImage::from_pixel(64, 64, Rgb([255, 0, 255])).save(folder.join("in.png")).expect("written");
    let hole = Mask::from_fn(64, 64, |x, y| x < 20 && y > 30);
    hole.inverted().save(folder.join("keep.png")).expect("written");
    assert_eq!(changed(folder, "--mask keep.png --invert").hidden(), hole.hidden());
    assert_eq!(changed(folder, "--mask keep.png --invert --soft").hidden(), hole.hidden());
    assert_eq!(changed(folder, "--mask keep.png --invert --grow 4").hidden(), hole.grown(4).hidden());

    Mask::visible(64, 64).save(folder.join("black.png")).expect("written");
    let line = "inpaint in.png --mask black.png --invert -o out.png --weights model.safetensors";
    assert!(fails_with(1, folder, line).contains("black.png hides the whole picture, since --invert"));
}

#[test]
fn masks_grow_by_a_disc() {
    let folder = folder_with_weights();
    let folder = folder.path();
    RgbImage::from_pixel(64, 64, Rgb([255, 0, 255])).save(folder.join("in.png")).expect("written");
    let hidden = Protocol::Hidden.mask(64);
    assert_eq!(changed(folder, "--mask mask.png").hidden(), hidden.hidden());
    assert_eq!(changed(folder, "--mask mask.png --grow 5").hidden(), hidden.grown(5).hidden());
    let line = "inpaint in.png --mask mask.png --grow 99 -o out.png --weights model.safetensors";
    assert!(fails_with(1, folder, line).contains("lower --grow"));
}

#[test]
fn transparent_holes_are_filled_and_become_opaque() {
    let folder = folder_with_weights();
    let folder = folder.path();
    // Erased on the left; elsewhere every alpha from a half on.
    let alpha =
        |x: u32, y: u32| if x < 20 && y > 30 { (y * 2) as u8 } else { 128 + ((x + y * 7) % 128) as u8 };
    let photo = RgbaImage::from_fn(64, 64, |x, y| Rgba([255, 0, 255, alpha(x, y)]));
    photo.save(folder.join("in.png")).expect("written");
    let line =
        "inpaint in.png --mask-alpha -o out.png --weights model.safetensors --blend none --refine none";
    ends_with(0, folder, line);
    let filled = image::open(folder.join("out.png")).expect("a picture");
    assert_eq!(filled.color(), image::ColorType::Rgba8);
    for (x, y, pixel) in filled.into_rgba8().enumerate_pixels() {
        let before = photo.get_pixel(x, y);
        if before.0[3] < 128 {
            assert!(pixel.0[3] == 255 && pixel.0[..3] != before.0[..3], "{x}, {y}: {pixel:?}");
        } else {
            assert_eq!(pixel, before, "{x}, {y}");
        }
    }

    let deep = ImageBuffer::from_fn(64, 64, |x, _| Rgba([9_u16, 9, 9, if x < 9 { 32_767 } else { 32_768 }]));
    DynamicImage::ImageRgba16(deep).save(folder.join("in.png")).expect("written");
    ends_with(0, folder, line);
    let filled = image::open(folder.join("out.png")).expect("a picture").into_rgba16();
    assert_eq!([8, 9].map(|x| filled.get_pixel(x, 5).0[3]), [65_535, 32_768]);

    picture().save(folder.join("in.png")).expect("written");
    assert!(fails_with(1, folder, line).contains("it has no alpha channel"));
}

#[test]
fn results_never_overwrite_masks() {
    let folder = folder_with_weights();
    let folder = folder.path();
    fs::create_dir(folder.join("masks")).expect("created");
    picture().save(folder.join("in.png")).expect("written");
    fs::copy(folder.join("mask.png"), folder.join("masks/in.png")).expect("copied");
    let before = fs::read(folder.join("mask.png")).expect("there");
    for (arguments, mask) in [
        ("--mask mask.png -o mask.png", "mask.png"),
        ("--mask mask.png -o ./masks/../mask.png", "mask.png"),
        ("--mask-dir masks -o masks", "in.png"),
    ] {
        let line = format!("inpaint in.png {arguments} --weights model.safetensors");
        let error = fails_with(1, folder, &line);
        assert!(error.contains("would overwrite the mask") && error.contains(mask), "{error}");
    }
    for name in ["mask.png", "masks/in.png"] {
        assert_eq!(fs::read(folder.join(name)).expect("there"), before, "{name}");
    }
}

#[test]
fn masks_among_the_photographs_are_not_filled() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let photos = folder.join("photos");
    photographs(&photos, 3);
    for name in ["more/000_mask001.png", "001_mask.png", "002_mask000.png"] {
        fs::copy(folder.join("mask.png"), photos.join(name)).expect("copied");
    }
    let line = "inpaint photos --mask-dir photos -o filled --weights model.safetensors";
    ends_with(0, folder, line);
    let expected = ["001.jpg", "002.bmp", "more/000.png"].map(str::to_owned);
    assert_eq!(files(&folder.join("filled")), BTreeSet::from(expected.clone()));
    let open = |name: &str| image::open(folder.join(name)).expect("a picture").into_rgb8();
    let (before, after) = (open("photos/002.bmp"), open("filled/002.bmp"));
    let hidden = Protocol::Hidden.mask(64);
    let visible = before.enumerate_pixels().filter(|&(x, y, _)| !hidden.is_hidden(x, y));
    assert!(before != after && visible.into_iter().all(|(x, y, pixel)| pixel == after.get_pixel(x, y)));

    // One mask for all, in their folder.
    for name in ["more/000_mask001.png", "001_mask.png"] {
        fs::remove_file(photos.join(name)).expect("removed");
    }
    let line = "inpaint photos --mask photos/002_mask000.png -o again --weights model.safetensors";
    ends_with(0, folder, line);
    assert_eq!(files(&folder.join("again")), BTreeSet::from(expected));
}

#[test]
fn photographs_without_any_mask_say_what_to_name_it() {
    let folder = folder_with_weights();
    let folder = folder.path();
    photographs(&folder.join("photos"), 3);
    for input in ["photos", "photos/001.jpg"] {
        let line = format!("inpaint {input} --mask-dir photos -o filled --weights model.safetensors");
        let error = fails_with(1, folder, &line);
        let name = if input == "photos" { "_mask.png" } else { "under the name 001_mask.png" };
        assert!(error.contains("no mask for it in photos") && error.contains(name), "{error}");
    }
    let line = "inpaint mask.png --mask mask.png -o filled.png --weights model.safetensors";
    assert!(fails_with(1, folder, line).contains("no photograph beside the mask"));
    assert!(!folder.join("filled").exists());
}

#[test]
fn what_a_result_does_not_keep_is_one_remark() {
    let folder = folder_with_weights();
    let folder = folder.path();
    RgbaImage::from_pixel(64, 64, Rgba([90, 60, 30, 200])).save(folder.join("in.png")).expect("written");
    let line = "inpaint in.png --mask mask.png -o out.jpg --weights model.safetensors";
    let remark = "in.png: transparency is laid over white; the picture is compressed with loss";
    let (code, _, error) = run(folder, line);
    assert_eq!((code, error.matches("in.png").count()), (0, 1), "{error}");
    assert!(error.contains(remark), "{error}");
    let (code, _, error) = run(folder, &format!("{line} --quiet"));
    assert_eq!((code, error.as_str()), (0, ""));
    let records = records(&ends_with(0, folder, &format!("{line} --json")));
    assert_eq!(records[0]["losses"].as_array().map(Vec::len), Some(2));
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
