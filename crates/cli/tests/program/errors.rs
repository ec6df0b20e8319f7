//! What goes wrong ends with an exit code, one line of what and where, and advice.

use std::fs;

use context_encoder::mask::Mask;
use image::RgbImage;
use tempfile::tempdir;

use crate::{mask, run, weights};

#[test]
fn each_mistake_is_named_with_what_to_do() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    mask(folder);
    RgbImage::new(64, 64).save(folder.join("in.png")).expect("written");
    Mask::visible(64, 64).save(folder.join("empty.png")).expect("written");
    Mask::visible(64, 64).inverted().save(folder.join("full.png")).expect("written");
    Mask::from_fn(30, 20, |x, _| x < 9).save(folder.join("small.png")).expect("written");
    fs::write(folder.join("notes.txt"), "nothing").expect("written");
    let said = |arguments: &[&str]| {
        let (code, out, error) = run(folder, arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {error}");
        assert!(!error.contains("panicked") && !error.contains('\u{1b}'), "{error}");
        error
    };
    let weights = ["--weights", "model.safetensors"];
    let fill =
        |mask: &str| said(&[&["inpaint", "in.png", "--mask", mask, "-o", "out.png"], &weights[..]].concat());
    assert!(fill("absent.png").contains("cannot read absent.png"));
    assert!(fill("empty.png").contains("hides nothing"));
    assert!(fill("full.png").contains("hides the whole picture"));
    assert!(fill("small.png").contains("small.png is 30x20 but the picture is 64x64"));
    assert!(fill("notes.txt").contains("notes.txt is not a picture"));

    let with = |rest: &[&str]| said(&[&["inpaint"], rest, &weights[..]].concat());
    assert!(with(&["absent.png", "--mask", "mask.png", "-o", "out.png"]).contains("cannot read absent.png"));
    assert!(with(&["in.png", "--mask", "mask.png", "-o", "in.png"]).contains("would overwrite in.png"));
    assert!(
        with(&["in.png", "--mask", "mask.png", "-o", "out.gif"]).contains("out.gif names no picture format")
    );
    assert!(with(&["in.png", "in.png", "--mask", "mask.png", "-o", "out"]).contains("would both become"));
    assert!(with(&["in.png", "--mask-dir", "absent", "-o", "out.png"]).contains("no folder absent"));
    assert!(
        with(&["in.png", "--mask-colour", "#123456", "-o", "out.png"])
            .contains("no pixel has the colour #123456")
    );
    let elsewhere = ["in.png", "--mask", "mask.png", "-o", "out.png", "--device", "gpu"];
    assert!(with(&elsewhere).contains("choose cpu"));
    fs::write(folder.join("broken.safetensors"), "not weights").expect("written");
    for command in [["info", "broken.safetensors"], ["info", "absent.safetensors"], ["info", "absent.bpk"]] {
        assert!(said(&command).contains(command[1]));
    }
    assert!(said(&["check", "absent"]).contains("no folder absent"));
    assert!(said(&["convert", "model.safetensors", "out.pth"]).contains(".safetensors"));
    assert!(said(&["evaluate", "absent", "--weights", "model.safetensors"]).contains("no folder absent"));
    assert!(said(&["conformance", "--only", "nothing of that name"]).contains("| tanh |"));
    assert!(!folder.join("out.png").exists());
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let folder = tempdir().expect("folder");
    for arguments in [
        &["inpaint", "in.png", "-o", "out.png"][..],
        &["inpaint", "in.png", "--mask", "a.png", "--mask-dir", "b", "-o", "out.png"],
        &["inpaint", "in.png", "--mask-colour", "pink", "-o", "out.png"],
        &["masks", "--kind", "square"],
        &["masks", "--count", "0"],
        &["sample", "-o", "x", "--size", "4x4"],
        &["paint"],
    ] {
        let (code, _, error) = run(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {error}");
    }
}

#[test]
fn errors_are_told_to_programs_too() {
    let folder = tempdir().expect("folder");
    let (code, out, _) = run(folder.path(), &["info", "absent.safetensors", "--json"]);
    let record = crate::records(&out).pop().expect("a record");
    assert_eq!((code, &record["event"]), (1, &"error".into()));
    assert!(record["error"].as_str().is_some_and(|error| error.contains("absent.safetensors")));
}
