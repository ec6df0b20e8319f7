//! Errors: an exit code, one line of what and where, and advice.

use std::fs;

use context_encoder::mask::Mask;
use image::RgbImage;
use tempfile::tempdir;

use crate::{fails_with, folder_with_weights, program, records, run};

#[test]
fn errors_are_one_line_with_file_and_advice() {
    let folder = folder_with_weights();
    let folder = folder.path();
    RgbImage::new(64, 64).save(folder.join("in.png")).expect("written");
    Mask::visible(64, 64).save(folder.join("empty.png")).expect("written");
    Mask::visible(64, 64).inverted().save(folder.join("full.png")).expect("written");
    Mask::from_fn(30, 20, |x, _| x < 9).save(folder.join("small.png")).expect("written");
    fs::write(folder.join("notes.txt"), "nothing").expect("written");
    fs::write(folder.join("broken.safetensors"), "not weights").expect("written");
    let inpaint = |rest: &str| format!("inpaint --weights model.safetensors {rest}");
    for (line, expected) in [
        (inpaint("in.png --mask absent.png -o out.png"), "cannot read absent.png"),
        (inpaint("in.png --mask empty.png -o out.png"), "hides nothing"),
        (inpaint("in.png --mask full.png -o out.png"), "hides the whole picture"),
        (inpaint("in.png --mask small.png -o out.png"), "small.png is 30x20 but the picture is 64x64"),
        (inpaint("in.png --mask notes.txt -o out.png"), "notes.txt is not a picture"),
        (inpaint("absent.png --mask mask.png -o out.png"), "cannot read absent.png"),
        (inpaint("in.png --mask mask.png -o in.png"), "would overwrite in.png"),
        (inpaint("in.png --mask mask.png -o out.gif"), "out.gif names no picture format"),
        (inpaint("in.png in.png --mask mask.png -o out"), "would both become"),
        (inpaint("in.png --mask-dir absent -o out.png"), "no folder absent"),
        (inpaint("in.png --mask-color #123456 -o out.png"), "no pixel has the color #123456"),
        (inpaint("in.png --mask mask.png -o out.png --device gpu"), "choose cpu"),
        ("info broken.safetensors".to_owned(), "broken.safetensors"),
        ("info absent.safetensors".to_owned(), "absent.safetensors"),
        ("info absent.bpk".to_owned(), "absent.bpk"),
        ("check absent".to_owned(), "no folder absent"),
        ("convert model.safetensors out.pth".to_owned(), ".safetensors"),
        ("convert model.safetensors out.safetensors --to onnx".to_owned(), "end in .onnx"),
        ("convert model.safetensors out.onnx --to onnx --precision f16".to_owned(), "leave --precision away"),
        ("convert model.safetensors out.safetensors --filled-input".to_owned(), "add --to onnx"),
        ("evaluate absent --weights model.safetensors".to_owned(), "no folder absent"),
        ("conformance --only no-such-part".to_owned(), "| tanh |"),
    ] {
        let (code, out, error) = run(folder, &line);
        assert_eq!((code, out.as_str()), (1, ""), "{line}: {error}");
        assert!(error.contains(expected), "{line}: {error}");
        assert!(!error.contains("panicked") && !error.contains('\u{1b}'), "{error}");
    }
    assert!(!folder.join("out.png").exists());
}

#[test]
fn wrong_arguments_exit_with_code_2() {
    let folder = tempdir().expect("folder");
    for line in [
        "inpaint in.png -o out.png",
        "inpaint in.png --mask a.png --mask-dir b -o out.png",
        "inpaint in.png --mask-color pink -o out.png",
        "masks --kind square",
        "masks --count 0",
        "sample -o x --size 4x4",
        "train --smoke --device flex --devices flex",
        "train --smoke --precision f8",
        "paint",
    ] {
        fails_with(2, folder.path(), line);
    }
}

#[test]
fn unusable_devices_are_named() {
    let folder = tempdir().expect("folder");
    for (line, expected) in [
        ("train --smoke --devices flex,gpu", "no device `gpu`"),
        ("train --smoke --devices flex,flex,flex", "batch_size is 4"),
        ("train --smoke --device flex --set ghost_batches=3", "ghost_batches is 3"),
        ("bench --task train --devices flex,flex", "--task run"),
    ] {
        let error = fails_with(1, folder.path(), line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn json_errors_go_to_standard_output() {
    let folder = tempdir().expect("folder");
    let (code, out, _) = run(folder.path(), "info absent.safetensors --json");
    let record = records(&out).pop().expect("a record");
    assert_eq!((code, &record["event"]), (1, &"error".into()));
    assert!(record["error"].as_str().is_some_and(|error| error.contains("absent.safetensors")));
}

#[test]
fn deprecated_names_are_remarked_unless_quiet() {
    let folder = tempdir().expect("folder");
    let remark = "`--least-side` is deprecated and still works; write `--min-side`";
    assert!(run(folder.path(), "check . --least-side 9").2.contains(remark));
    assert_eq!(run(folder.path(), "check . --least-side 9 --quiet"), (0, String::new(), String::new()));
}

/// A reader that has gone is no error, a disk that is full is one.
#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_an_error() {
    let folder = folder_with_weights();
    for arguments in ["info model.safetensors", "info model.safetensors --json"] {
        let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let output = program(folder.path(), arguments).stdout(full).output().expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {error}");
        assert!(error.contains("cannot write to standard output"), "{error}");
    }
}
