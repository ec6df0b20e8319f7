//! From pretraining to weights that are looked at and continued.

use tempfile::tempdir;

use crate::{ends_with, records, run};

#[test]
fn pretrain_resume_look() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let steps = records(&ends_with(0, folder, &["pretrain", "--smoke", "--json"]));
    assert_eq!((&steps[0]["event"], &steps[0]["steps"]), (&"begin".into(), &2.into()));
    assert_eq!(steps[0]["masks"], "random regions, noise pattern");
    assert_eq!(steps.iter().filter(|record| record["event"] == "step").count(), 2);
    assert_eq!(steps.last().expect("a last record")["weights"], "runs/features/model.safetensors");
    let (code, out, said) = run(folder, &["pretrain", "--resume", "--steps", "3"]);
    assert_eq!(code, 0, "{said}");
    assert!(out.contains("3 steps; on 4 validation pictures") && out.contains("harmonic"), "{out}");
    assert!(said.contains("images/s"), "{said}");

    let text = ends_with(0, folder, &["info", "runs/features/model.safetensors"]);
    for fact in ["feature network", "size, px      99", "width         4", "steps         3", "noise pattern"]
    {
        assert!(text.contains(fact), "{text}");
    }
    let weights = records(&ends_with(0, folder, &["info", "runs/features/model.safetensors", "--json"]));
    let checkpoint = records(&ends_with(0, folder, &["info", "runs/features/checkpoint.bpk", "--json"]));
    assert_eq!(weights[0]["parameters"], checkpoint[0]["parameters"]);
    assert_eq!(checkpoint[0]["pretext"], "context");

    let (code, _, said) = run(folder, &["train", "--resume", "--run", "runs/features"]);
    assert!(code == 1 && said.contains("`pretrain` each continue their own"), "{said}");
    let (code, _, said) = run(
        folder,
        &[
            "inpaint",
            "a.png",
            "--mask",
            "b.png",
            "-o",
            "c.png",
            "--weights",
            "runs/features/model.safetensors",
        ],
    );
    assert!(code == 1 && said.contains("feature network"), "{said}");
}

#[test]
fn every_baseline_is_the_same_command() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    for (pretext, hidden) in [("autoencoder", "nothing"), ("denoising", "0.25 of all")] {
        let arguments = ["pretrain", "--smoke", "--pretext", pretext, "--run", pretext, "--json"];
        let told = records(&ends_with(0, folder, &arguments));
        assert!(told[0]["masks"].as_str().is_some_and(|masks| masks.contains(hidden)), "{}", told[0]);
    }
    let out = ends_with(0, folder, &["pretrain", "--smoke", "--steps", "0", "--run", "random"]);
    assert!(out.starts_with("0 steps") && folder.join("random/model.safetensors").is_file(), "{out}");
    let central = ["pretrain", "--smoke", "--masks", "central", "--run", "central", "--json"];
    assert_eq!(records(&ends_with(0, folder, &central))[0]["masks"], "central, overlap 0 px");

    let refused = |arguments: &[&str]| {
        let (code, _, said) = run(folder, &[&["pretrain", "--smoke", "--run", "none"], arguments].concat());
        assert!(code == 1 || code == 2, "{arguments:?}: {code}");
        assert!(!folder.join("none/checkpoint.bpk").exists());
        said
    };
    assert!(refused(&["--pretext", "colour"]).contains("choose context, autoencoder or denoising"));
    assert!(refused(&["--set", "model.size=128"]).contains("99, 131"));
    assert!(refused(&["--silhouettes", "absent"]).contains("absent"));
}
