//! Shards as people have them: sorted, split, indexed, damaged.

use std::{collections::BTreeSet, fs::File, io::Cursor};

use context_encoder_mask::Central;
use image::{ImageFormat, Rgb};
use tempfile::TempDir;

use super::*;
use crate::{Loader, LoaderConfig, Transform};

/// An image whose red channel is its number.
fn png(number: u8) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(20, 20, Rgb([number, 0, 0]));
    picture.write_to(&mut file, ImageFormat::Png).expect("a picture in memory");
    file.into_inner()
}

fn pack(folder: &TempDir, shard: &str, members: &[(&str, Vec<u8>)]) {
    let file = File::create(folder.path().join(shard)).expect("a file");
    let mut shard = tar::Builder::new(file);
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        shard.append_data(&mut header, name, content.as_slice()).expect("a member");
    }
    shard.finish().expect("an end");
}

/// Images `first..first + count`, named by their numbers.
fn pictures(first: u8, count: u8) -> Vec<(String, Vec<u8>)> {
    (first..first + count).map(|number| (format!("{number:03}.png"), png(number))).collect()
}

fn pack_pictures(folder: &TempDir, shard: &str, first: u8, count: u8) {
    let named = pictures(first, count);
    let members: Vec<_> = named.iter().map(|(name, png)| (name.as_str(), png.clone())).collect();
    pack(folder, shard, &members);
}

fn open(folder: &TempDir) -> Result<Shards, DataError> {
    Shards::open(folder.path(), Limits::default())
}

fn number(shards: &Shards, index: usize) -> u8 {
    shards.image(0, index).expect("an image").get_pixel(0, 0).0[0]
}

#[test]
fn samples_group_members_by_key_and_find_the_image_by_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, long) = (b"{}".to_vec(), format!("{}/7.webp", "folder.with.dots/".repeat(12)));
    pack(
        &folder,
        "a.tar",
        &[
            ("__index.png__", png(89)),
            ("__meta__/1.png", png(90)),
            ("no-ending", png(91)),
            (".hidden.png", png(92)),
            ("1.depth.png", png(93)),
            ("1.json", text.clone()),
            ("1.png", png(1)),
            ("1.mask.png", png(94)),
            ("2.json", text.clone()),
            ("2.left.png", png(2)),
            ("3.jpg", text.clone()),
            ("3.txt", text),
            ("sub.folder/1.png", png(4)),
            (&long, png(5)),
        ],
    );
    let shards = open(&folder).expect("shards");
    let names: Vec<_> = (0..shards.len()).map(|index| shards.name(index)).collect();
    let long = format!("a.tar/{long}");
    assert_eq!(names, ["a.tar/1.png", "a.tar/2.left.png", "a.tar/3", "a.tar/sub.folder/1.png", &long]);
    assert_eq!([0, 1, 3, 4].map(|index| number(&shards, index)), [1, 2, 4, 5]);
    let error = shards.image(0, 2).expect_err("no picture").to_string();
    assert!(
        error.ends_with(
            "a.tar/3 is not a usable picture: none of the sample's members is a JPEG, PNG, WebP, BMP or TIFF"
        ),
        "{error}"
    );
}

#[test]
fn shards_are_sorted_and_split() {
    let folder = tempfile::tempdir().expect("a folder");
    pack_pictures(&folder, "b.tar", 50, 21);
    pack_pictures(&folder, "a.tar", 0, 41);
    pack(&folder, "aa.tar", &[]);
    pack_pictures(&folder, "c.tar", 80, 1);
    fs::write(folder.path().join("notes.txt"), "nothing").expect("a file");
    let shards = open(&folder).expect("shards");
    let all: Vec<_> = (0..shards.len()).map(|index| number(&shards, index)).collect();
    assert_eq!(all, (0..41).chain(50..71).chain([80]).collect::<Vec<_>>());
    assert_eq!(shards.shard_starts(), [0, 41, 41, 62]);
    assert_eq!(
        (shards.split().0.shard_starts(), shards.split().1.shard_starts()),
        (&[0, 38, 38, 58][..], &[0, 3, 3, 4][..])
    );

    let (training, validation) = shards.split();
    let numbers = |part: &Shards| (0..part.len()).map(|index| number(part, index)).collect::<Vec<_>>();
    // Samples 0, 20, 40 and 60 of all.
    assert_eq!(numbers(&validation), [0, 20, 40, 69]);
    let rest: BTreeSet<_> = all.into_iter().filter(|number| !numbers(&validation).contains(number)).collect();
    assert_eq!(numbers(&training), rest.into_iter().collect::<Vec<_>>());
    assert_eq!(training.name(0), "a.tar/001.png");
}

#[test]
fn many_shards_are_read_in_any_order() {
    let folder = tempfile::tempdir().expect("a folder");
    for shard in 0..60 {
        pack_pictures(&folder, &format!("{shard:03}.tar"), shard * 3, 3);
    }
    let shards = open(&folder).expect("shards");
    for index in (0..180).rev().step_by(7).chain((0..180).step_by(5)) {
        assert_eq!(usize::from(number(&shards, index)), index);
    }
}

#[test]
fn batches_do_not_depend_on_workers_and_unreadable_images_are_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    for shard in 0..20 {
        pack_pictures(&folder, &format!("{shard:03}.tar"), shard * 5, 5);
    }
    pack(&folder, "bad.tar", &[("1.png", b"no picture".to_vec())]);
    let shards = Arc::new(open(&folder).expect("shards"));
    let batches = |workers, strict| {
        let transform = Transform::Resize { size: 16 };
        let config = LoaderConfig { batch_size: 8, workers, transform, strict, ..LoaderConfig::default() };
        let loader = Loader::new(shards.clone(), Arc::new(Central::new(0)), config).expect("a loader");
        let steps = loader.steps_per_epoch() as usize * 2;
        let run = loader.run(0).take(steps);
        run.collect::<Result<Vec<_>, _>>()
    };
    let [none, some] = [0, 3].map(|workers| batches(workers, false).expect("batches"));
    let pixels = |batches: &[Vec<crate::Sample>]| {
        batches.iter().flatten().map(|sample| sample.image.get_pixel(0, 0).0[0]).collect::<Vec<_>>()
    };
    assert_eq!(pixels(&none), pixels(&some));
    // 101 pictures make twelve batches of 8: nearly all are seen in two epochs.
    let seen: BTreeSet<_> = pixels(&none).into_iter().collect();
    assert!(seen.len() > 95, "{} of 100", seen.len());
    assert!(batches(2, true).is_err());
}

#[test]
fn an_index_is_used_where_it_can_be_right() {
    let folder = tempfile::tempdir().expect("a folder");
    pack_pictures(&folder, "a.tar", 0, 3);
    pack_pictures(&folder, "b.tar", 10, 2);
    let index = |listed: &str| {
        let text = format!(r#"{{"wids_version": 1, "shardlist": [{listed}]}}"#);
        fs::write(folder.path().join("index.json"), text).expect("a file");
    };
    let error = || open(&folder).expect_err("no index").to_string();
    let bytes = fs::metadata(folder.path().join("a.tar")).expect("a shard").len();
    index(&format!(r#"{{"url": "https://somewhere/a.tar", "nsamples": 3, "filesize": {bytes}}}"#));
    let shards = open(&folder).expect("shards");
    assert_eq!((shards.len(), shards.shard_starts()), (5, [0, 3].as_slice()));
    assert_eq!([2, 3].map(|index| number(&shards, index)), [2, 10]);

    // Too many or too few: the shard is unreadable, the others are not.
    for (counted, wrong, right) in [(5, 0..5, 5..7), (1, 0..1, 1..3)] {
        index(&format!(r#"{{"url": "a.tar", "nsamples": {counted}}}"#));
        let shards = open(&folder).expect("shards");
        for picture in wrong {
            let error = shards.image(0, picture).expect_err("no such count").to_string();
            let counts = format!("holds 3 samples where {counted} were expected; if there is an index.json");
            assert!(error.contains(&counts), "{error}");
            assert_eq!(shards.name(picture), format!("a.tar/sample {picture}"));
        }
        assert_eq!(right.map(|index| number(&shards, index)).collect::<Vec<_>>(), [10, 11]);
    }
    // An empty one is counted.
    index(r#"{"url": "a.tar", "nsamples": 0}"#);
    assert_eq!(open(&folder).expect("shards").len(), 5);

    index(r#"{"url": "a.tar", "nsamples": 3, "filesize": 9}"#);
    assert!(error().contains(&format!("it has {bytes} bytes and index.json says 9; make the index anew")));
    index(r#"{"url": "a.tar", "nsamples": 1000000000000}"#);
    assert!(error().contains("cannot hold the 1000000000000 samples of index.json; make the index anew"));
    index(r#"{"url": "x/a.tar", "nsamples": 3}, {"url": "y/a.tar", "nsamples": 4}"#);
    assert!(error().contains("index.json: it gives two different counts for a.tar; make the index anew"));
    index("7");
    assert!(error().contains("index.json: it is no index of shards"));
}

#[test]
fn damaged_shards_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    pack_pictures(&folder, "a.tar", 0, 4);
    let path = folder.path().join("a.tar");
    let whole = fs::read(&path).expect("the shard");
    let error = || open(&folder).expect_err("no shard").to_string();
    // Within a header, between two members, within the last picture, before anything; then what is no tar
    // file.
    for content in [&whole[..1500], &whole[..2048], &whole[..whole.len() - 1024 - 512 + 10], &[]] {
        fs::write(&path, content).expect("a file");
        let error = error();
        assert!(error.contains("a.tar: ") && error.ends_with("copy or download it again"), "{error}");
    }
    for content in [b"\x1f\x8b\x08 compressed".repeat(200), b"plain text\n, ".repeat(500)] {
        fs::write(&path, content).expect("a file");
        let error = error();
        assert!(error.contains("cannot use the shard") && !error.contains(['\n', '\x1f']), "{error}");
    }
    // The closing blocks alone: tar's own empty file.
    fs::write(&path, [0; 1024]).expect("a file");
    assert!(matches!(open(&folder), Err(DataError::NoPictures { .. })));
    fs::write(&path, whole).expect("a file");
    fs::write(folder.path().join("b.tgz"), b"").expect("a file");
    assert!(error().ends_with(
        "b.tgz: it is compressed, and shards are read from the middle; unpack it to a plain .tar"
    ));
    assert!(matches!(
        Shards::open(folder.path().join("c"), Limits::default()),
        Err(DataError::FolderMissing { .. })
    ));
}

#[test]
fn names_that_are_not_utf8_stay_different_and_show_no_control_characters() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut shard = tar::Builder::new(File::create(folder.path().join("a.tar")).expect("a file"));
    for (number, name) in [&b"caf\xe9.png"[..], b"caf\xe8.png", b"c\x1b[2J.png"].into_iter().enumerate() {
        let (mut header, content) = (tar::Header::new_gnu(), png(number as u8));
        header.set_size(content.len() as u64);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_cksum();
        shard.append(&header, content.as_slice()).expect("a member");
    }
    shard.finish().expect("an end");
    let shards = open(&folder).expect("shards");
    let names: Vec<_> = (0..shards.len()).map(|index| shards.name(index)).collect();
    assert_eq!(names, ["a.tar/caf\\xe9.png", "a.tar/caf\\xe8.png", "a.tar/c\u{FFFD}[2J.png"]);
    assert_eq!([0, 1, 2].map(|index| number(&shards, index)), [0, 1, 2]);
}

#[test]
fn a_folder_of_tar_files_alone_is_one_of_shards() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| fs::write(folder.path().join(name), b"something").expect("a file");
    assert!(!Shards::are_in(folder.path()));
    for name in ["my.target.tar", "index.json", ".hidden.jpg"] {
        write(name);
    }
    assert!(Shards::are_in(folder.path()) && Shards::are_in(&folder.path().join("my.target.tar")));
    write("door.jpg");
    assert!(!Shards::are_in(folder.path()) && !Shards::are_in(&folder.path().join("door.jpg")));
    fs::remove_file(folder.path().join("door.jpg")).expect("gone");
    fs::create_dir(folder.path().join("pictures")).expect("a folder");
    assert!(!Shards::are_in(folder.path()));
}

#[test]
fn fingerprint_changes_with_the_shards() {
    let folder = tempfile::tempdir().expect("a folder");
    pack_pictures(&folder, "a.tar", 0, 3);
    let fingerprint = || open(&folder).expect("shards").fingerprint();
    let before = fingerprint();
    assert_eq!(before, fingerprint());
    pack(&folder, "a.tar", &[("0.png", png(0)), ("1.png", vec![9; 2000]), ("2.png", png(2))]);
    assert_ne!(before, fingerprint());
}

#[test]
fn what_is_in_no_sample_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    pack_pictures(&folder, "b.tar", 0, 3);
    assert_eq!(open(&folder).expect("shards").remarks(), [""; 0]);
    let members = ["1.preview.png", "1.png", "1.depth.png", "1.json"].map(|name| (name, png(1)));
    pack(&folder, "a.tar", &members);
    let path = folder.path().join("a.tar");
    let mut bytes = fs::read(&path).expect("a file");
    // A sparse member and a link, then the end, zeros, and another archive.
    let mut glued = tar::Builder::new(Vec::new());
    for (kind, name) in [(tar::EntryType::GNUSparse, "2.png"), (tar::EntryType::Symlink, "3.png")] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.as_gnu_mut().expect("GNU's").set_real_size(0);
        header.set_size(0);
        glued.append_data(&mut header, name, [].as_slice()).expect("a member");
    }
    let mut special = glued.into_inner().expect("an end");
    special.truncate(2 * 512);
    special.append(&mut bytes);
    special.resize(special.len() + 10_240, 0);
    special.extend(fs::read(folder.path().join("b.tar")).expect("a file"));
    fs::write(path, special).expect("written");
    let index = r#"{ "shardlist": [{ "url": "x/gone.tar", "nsamples": 4 }] }"#;
    fs::write(folder.path().join("index.json"), index).expect("written");
    let shards = open(&folder).expect("shards");
    assert_eq!((shards.len(), shards.name(0)), (4, "a.tar/1.png".to_owned()));
    let remarks = shards.remarks();
    let begin = |files: &str| format!("{files} files are left out, such as ");
    let expected =
        ["2", "3", "3", "1"].map(begin).into_iter().zip(["2.png", "1.preview.png", "000.png", "gone.tar"]);
    assert_eq!(remarks.len(), 4, "{remarks:?}");
    for (remark, (begin, name)) in remarks.iter().zip(expected) {
        assert!(remark.starts_with(&begin) && remark.contains(name), "{remark}");
    }
}
