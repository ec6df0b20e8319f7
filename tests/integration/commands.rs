//! The examples as a user runs them: exit codes, files, and errors on one line.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::tempdir;

/// The example that `cargo test` built beside this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("this test");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/test");
    let path: PathBuf = [profile, Path::new("examples"), Path::new(name)].iter().collect();
    Command::new(path.with_extension(std::env::consts::EXE_EXTENSION))
}

fn run(name: &str, folder: &Path, arguments: &[&str]) -> Output {
    example(name).args(arguments).current_dir(folder).output().expect("the example starts")
}

fn succeed(name: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = run(name, folder, arguments);
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The error of a run that fails, which is one line and no panic.
fn fail(name: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = run(name, folder, arguments);
    let error = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}: {error}");
    assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
    error
}

#[test]
fn train_then_resume_then_fill() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let printed = succeed("train_paris", folder, &["--smoke"]);
    assert!(printed.contains("harmonic") && printed.contains("images/s"), "{printed}");
    for file in [
        "model.safetensors",
        "checkpoint.bpk",
        "log.csv",
        "validation.csv",
        "config.toml",
        "samples/step_000002.png",
    ] {
        assert!(folder.join("runs/paris").join(file).is_file(), "{file}");
    }
    let command =
        printed.lines().find(|line| line.starts_with("fill with cargo run")).expect("the next command");
    assert!(command.ends_with("inpaint_image -- --weights runs/paris/model.safetensors"), "{command}");

    assert!(fail("train_paris", folder, &["--smoke"]).contains("already holds a run"));
    let printed = succeed("train_paris", folder, &["--resume", "--steps", "3"]);
    assert!(printed.contains("3 steps;"), "{printed}");

    let weights = ["--weights", "runs/paris/model.safetensors"];
    succeed("inpaint_image", folder, &weights);
    let filled = image::open(folder.join("filled.png")).expect("a picture");
    assert_eq!((filled.width(), filled.height()), (64, 64));
    let printed = succeed(
        "evaluate_folder",
        folder,
        &[&weights[..], &["runs/paris/samples", "--sheet", "sheet.png"]].concat(),
    );
    for row in ["| context encoder |", "| context encoder, feather |", "| context encoder, poisson |"] {
        assert_eq!(printed.matches(row).count(), 3, "{printed}");
    }
    assert!(folder.join("sheet.png").is_file());
}

#[test]
fn encoders_are_pretrained_four_ways() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let printed = succeed("pretrain_features", folder, &["--smoke"]);
    for name in ["context", "autoencoder", "denoising", "random"] {
        assert!(printed.contains(&format!("\n{name}: ")), "{printed}");
        assert!(folder.join("runs/pretrained").join(name).join("model.safetensors").is_file(), "{name}");
    }
    assert!(fail("pretrain_features", folder, &["--smoke"]).contains("already holds a run"));
}

#[test]
fn any_picture_under_any_mask_and_folders_of_them() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let device = context_encoder::device("cpu").expect("a processor");
    let config = context_encoder::ModelConfig::default().with_size(64).with_width(2);
    config.init(&device).and_then(|model| model.save(folder.join("model.safetensors"))).expect("weights");
    for name in ["pictures", "masks", "pictures/sub", "masks/sub"] {
        std::fs::create_dir(folder.join(name)).expect("folder");
    }
    let picture = image::RgbImage::from_fn(150, 90, |x, y| image::Rgb([x as u8, y as u8, 77]));
    let mask = context_encoder::Mask::from_fn(150, 90, |x, y| x.abs_diff(100) + y.abs_diff(30) < 20);
    for name in ["a", "sub/b", "unmasked"] {
        picture.save(folder.join("pictures").join(name).with_extension("png")).expect("written");
    }
    for name in ["a", "sub/b"] {
        mask.save(folder.join("masks").join(name).with_extension("png")).expect("written");
    }
    let weights = ["--weights", "model.safetensors"];
    let one = ["pictures/a.png", "--mask", "masks/a.png", "--blend", "feather"];
    let printed = succeed("inpaint_image", folder, &[&weights[..], &one].concat());
    assert!(printed.contains("feather: seam") && printed.contains("none: seam"), "{printed}");
    context_encoder::Mask::from_fn(80, 90, |x, _| x < 9).save(folder.join("narrow.png")).expect("written");
    let narrow = ["pictures/a.png", "--mask", "narrow.png"];
    let error = fail("inpaint_image", folder, &[&weights[..], &narrow].concat());
    assert!(error.contains("narrow.png") && error.contains("80x90"), "{error}");

    let output = run("fill_folder", folder, &[&weights[..], &["pictures", "masks", "filled"]].concat());
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(error.contains("unmasked.png") && error.contains("error: 1 pictures were not filled"), "{error}");
    for name in ["a.png", "sub/b.png"] {
        let filled = image::open(folder.join("filled").join(name)).expect("a picture").to_rgb8();
        for (x, y, pixel) in filled.enumerate_pixels() {
            assert!(mask.is_hidden(x, y) || pixel == picture.get_pixel(x, y));
        }
    }
    assert!(!folder.join("filled/unmasked.png").exists());
}

#[test]
fn errors_are_one_line_with_an_exit_code() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    assert!(fail("train_paris", folder, &["--smoke", "--data", "absent"]).contains("absent"));
    assert!(fail("train_paris", folder, &["--resume"]).contains("checkpoint.bpk"));
    std::fs::write(folder.join("wrong.toml"), "stepz = 3").expect("written");
    let error = fail("train_paris", folder, &["--config", "wrong.toml"]);
    assert!(error.contains("wrong.toml") && error.contains("stepz"), "{error}");
    assert!(fail("train_paris", folder, &["--smoke", "--set", "model.widht=3"]).contains("widht"));
    assert!(fail("train_paris", folder, &["--device", "gpu"]).contains("choose cpu"));
    assert!(
        fail("inpaint_image", folder, &["--weights", "absent.safetensors"]).contains("absent.safetensors")
    );
    assert!(
        fail("evaluate_folder", folder, &["--weights", "absent.safetensors", "."])
            .contains("absent.safetensors")
    );
    assert!(!folder.join("runs/paris/checkpoint.bpk").exists());
}

#[test]
fn quick_start_leaves_a_filled_picture() {
    let folder = tempdir().expect("folder");
    let printed = succeed("quick_start", folder.path(), &[]);
    assert!(printed.contains("PSNR"), "{printed}");
    assert!(folder.path().join("filled.png").is_file());
}
