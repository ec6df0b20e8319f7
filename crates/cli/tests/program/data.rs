//! `check`, `masks` and `sample`.

use std::fs;

use context_encoder::data::Facades;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops::FilterType};
use tempfile::tempdir;

use crate::{ends_with, records, run};

#[test]
fn check_finds_every_kind() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let (train, test) = (folder.join("train"), folder.join("test"));
    for place in [&train, &test] {
        fs::create_dir_all(place).expect("created");
    }
    let facades = Facades::new(3).with_size(200, 160);
    for index in 0..6 {
        facades.image(index).save(train.join(format!("{index}.png"))).expect("written");
    }
    fs::copy(train.join("0.png"), train.join("copy.png")).expect("copied");
    let scaled = DynamicImage::ImageRgb8(facades.image(1)).resize_exact(150, 130, FilterType::Triangle);
    scaled.save(train.join("scaled.jpg")).expect("written");
    facades.image(7).save_with_format(train.join("named.jpg"), ImageFormat::Png).expect("written");
    RgbImage::new(20, 300).save(train.join("tiny.png")).expect("written");
    RgbImage::from_pixel(200, 200, Rgb([7; 3])).save(train.join("plain.png")).expect("written");
    Facades::new(4).with_size(960, 160).image(0).save(train.join("long.png")).expect("written");
    fs::write(train.join("broken.jpg"), "no picture").expect("written");
    fs::write(train.join("readme.txt"), "about these pictures").expect("written");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&train, train.join("circle")).expect("linked");
        std::os::unix::fs::symlink("nothing", train.join("gone.png")).expect("linked");
    }
    #[cfg(not(unix))]
    fs::write(train.join("gone.png"), "no picture").expect("written");
    fs::copy(train.join("2.png"), test.join("a.png")).expect("copied");
    DynamicImage::ImageRgb8(facades.image(3)).save(test.join("b.jpg")).expect("written");
    facades.image(50).save(test.join("c.png")).expect("written");

    let out = ends_with(3, folder, "check train --against test --manifest list --json");
    let records = records(&out);
    let mut found: Vec<String> = records
        .iter()
        .filter(|record| record["event"] == "found")
        .map(|record| {
            let file = record["file"].as_str().and_then(|file| file.rsplit(['/', '\\']).next());
            format!("{} {}", record["kind"].as_str().expect("a kind"), file.expect("a file"))
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "bad broken.jpg",
            "bad gone.png",
            "duplicate copy.png",
            "leak 2.png",
            "near-duplicate scaled.jpg",
            "near-leak 3.png",
            "odd long.png",
            "odd named.jpg",
            "odd plain.png",
            "odd readme.txt",
            "tiny tiny.png",
        ]
    );
    assert_eq!(records.last().expect("a last record")["found"], 11);
    let list = fs::read_to_string(folder.join("list")).expect("a manifest");
    assert_eq!(list.lines().count(), 14);
    assert!(
        list.lines().all(|line| line.split_once("  ").is_some_and(|(hash, _)| hash.len() == 64)),
        "{list}"
    );

    let (code, out, error) = run(folder, "check test");
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    assert!(error.contains("3 files, 3 of them usable pictures; 0 findings"), "{error}");
}

#[test]
fn masks_are_drawn_and_counted() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    for kind in ["central", "random-block", "random-region"] {
        let text =
            ends_with(0, folder, &format!("masks --kind {kind} --size 64x64 --count 50 -o {kind}.png"));
        assert!(text.contains("50 masks") && text.contains("% of the picture on average"), "{text}");
        let grid = image::open(folder.join(format!("{kind}.png"))).expect("an image grid").into_rgb8();
        assert_eq!(grid.dimensions(), (8 * 68 + 4, 3 * 68 + 4));
        assert!(grid.pixels().any(|pixel| pixel.0 == [255, 0, 255]));
    }
    let line = "masks --kind central --overlap 8 --size 64x64 --count 3 --json";
    let record = records(&ends_with(0, folder, line)).pop().expect("a record");
    assert_eq!(record["mean"], 256.0 / 4096.0);
    assert_eq!(record["percent_bins"][1], 3);
}

#[test]
fn samples_and_their_masks_are_reproducible() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    for name in ["a", "b"] {
        ends_with(0, folder, &format!("sample -o {name} --count 3 --size 80x64 --masks {name}-masks -q"));
    }
    for file in ["a/facade-0002.png", "a-masks/facade-0002.png"] {
        let other = file.replacen('a', "b", 1);
        assert_eq!(fs::read(folder.join(file)).expect("there"), fs::read(folder.join(other)).expect("there"));
        let picture = image::open(folder.join(file)).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (80, 64));
    }
    ends_with(0, folder, "sample -o streets --count 1 --size 80x64 --streets -q");
    let [front, street] = ["a", "streets"].map(|name| fs::read(folder.join(name).join("facade-0000.png")));
    assert_ne!(front.expect("there"), street.expect("there"));
}
