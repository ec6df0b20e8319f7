//! Folders as people have them: nested, untidy, with files that are no pictures.

use std::fs;
use std::path::Path;

use context_encoder_data::{DataError, Folder, FolderOptions, ImageDataset};
use image::{Rgb, RgbImage};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn save(root: &Path, name: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("create");
    RgbImage::from_pixel(16, 16, Rgb([name.len() as u8; 3]))
        .save_with_format(path, image::ImageFormat::Png)
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
    assert!(line.contains("web_page.jpg") && line.contains("its content is no picture"), "{line}");

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
