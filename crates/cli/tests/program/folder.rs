//! Many photographs: broken ones, runs that are killed, runs that go on.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use context_encoder::data::Facades;
use image::ImageFormat;
use tempfile::tempdir;

use crate::{ends_with, mask, program, records, weights};

/// So many good photographs in several formats and folders.
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

fn pictures(folder: &Path) -> BTreeSet<String> {
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

const FILL: [&str; 8] =
    ["inpaint", "photos", "--mask", "mask.png", "-o", "filled", "--weights", "model.safetensors"];

#[test]
fn broken_files_are_named_and_the_others_filled() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    mask(folder);
    let photos = folder.join("photos");
    photographs(&photos, 19);
    let whole = fs::read(photos.join("001.jpg")).expect("there");
    fs::write(photos.join("cut.jpg"), &whole[..whole.len() / 2]).expect("written");
    fs::write(photos.join("text.png"), "not a picture").expect("written");
    fs::write(photos.join("empty.jpg"), "").expect("written");
    Facades::new(1).with_size(80, 64).image(0).save(photos.join("size.png")).expect("written");

    let records = records(&ends_with(3, folder, &[&FILL[..], &["--json", "--threads", "3"]].concat()));
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
    let filled = pictures(&folder.join("filled"));
    assert_eq!(filled.len(), 19);
    for name in &filled {
        let format = |path: &Path| image::guess_format(&fs::read(path).expect("there")).expect("a picture");
        assert_eq!(format(&folder.join("filled").join(name)), format(&photos.join(name)), "{name}");
    }
}

#[test]
fn masks_of_a_folder_go_by_name() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    mask(folder);
    let (photos, masks) = (folder.join("photos"), folder.join("masks"));
    photographs(&photos, 3);
    fs::create_dir_all(masks.join("more")).expect("created");
    for name in ["more/000.png", "001.png", "001.bmp"] {
        fs::copy(folder.join("mask.png"), masks.join(name)).expect("copied");
    }
    let arguments = [
        "inpaint",
        "photos",
        "--mask-dir",
        "masks",
        "-o",
        "filled",
        "--weights",
        "model.safetensors",
        "--json",
    ];
    let records = records(&ends_with(3, folder, &arguments));
    let reason = |file: &str| {
        let record =
            records.iter().find(|record| record["file"].as_str().is_some_and(|name| name.contains(file)));
        record.expect("told")["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(reason("000.png"), "");
    assert!(reason("001.jpg").contains("several masks"), "{}", reason("001.jpg"));
    assert!(reason("002.bmp").contains("no mask for it in masks; put one there under the name 002.png"));
}

#[test]
fn a_killed_run_leaves_no_half_file_and_resumes() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    mask(folder);
    photographs(&folder.join("photos"), 120);
    let filled = folder.join("filled");
    let mut run = program(folder, &FILL).arg("--quiet").spawn().expect("started");
    let begun = Instant::now();
    while pictures(&filled).len() < 10 && begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
    run.kill().expect("killed");
    run.wait().expect("ended");
    let is_aside = |name: &String| name.contains(".context-encoder.part");
    let left = pictures(&filled);
    for name in left.iter().filter(|name| !is_aside(name)) {
        image::open(filled.join(name)).unwrap_or_else(|error| panic!("{name} is half written: {error}"));
    }
    let done = left.iter().filter(|name| !is_aside(name)).count();
    assert!((1..120).contains(&done), "{done}");
    // What a kill in the middle of writing leaves.
    fs::write(filled.join(".x.png.1.0.context-encoder.part"), "half").expect("written");
    let before =
        |name: &str| fs::metadata(filled.join(name)).and_then(|file| file.modified()).expect("there");
    let times: Vec<_> = left.iter().filter(|name| !is_aside(name)).map(|name| (name, before(name))).collect();

    let out = ends_with(0, folder, &[&FILL[..], &["--resume", "--json"]].concat());
    let last = records(&out).pop().expect("a last record");
    assert_eq!((&last["passed_over"], &last["filled"]), (&done.into(), &(120 - done).into()));
    let all = pictures(&filled);
    assert_eq!((all.len(), all.iter().filter(|name| is_aside(name)).count()), (120, 0));
    assert!(times.iter().all(|(name, time)| before(name) == *time), "finished files are left alone");

    let out = ends_with(0, folder, &[&FILL[..], &["--resume", "--json"]].concat());
    assert_eq!(records(&out).pop().expect("a record")["filled"], 0);
}
