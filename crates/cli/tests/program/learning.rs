//! From training to weights that are looked at, converted, measured and used.

use std::fs;

use tempfile::tempdir;

use crate::{ends_with, records, run};

#[test]
fn train_resume_look_convert_measure() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let steps = records(&ends_with(0, folder, &["train", "--smoke", "--json"]));
    assert_eq!((&steps[0]["event"], &steps[0]["steps"]), (&"begin".into(), &2.into()));
    assert_eq!(steps.iter().filter(|record| record["event"] == "step").count(), 2);
    assert_eq!(steps.last().expect("a last record")["weights"], "runs/paris/model.safetensors");
    let (code, out, said) = run(folder, &["train", "--resume", "--steps", "3"]);
    assert_eq!(code, 0, "{said}");
    assert!(out.contains("3 steps; on 4 validation pictures") && said.contains("images/s"), "{out}\n{said}");
    let (code, out, said) = run(folder, &["train", "--resume", "--steps", "4", "--quiet"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(out.contains("4 steps"), "{out}");

    let text = ends_with(0, folder, &["info", "runs/paris/model.safetensors"]);
    for fact in [
        "kind          context encoder",
        "size, px      64",
        "steps         4",
        "fill          mean",
        "central",
    ] {
        assert!(text.contains(fact), "{text}");
    }
    let weights = records(&ends_with(0, folder, &["info", "runs/paris/model.safetensors", "--json"]));
    let checkpoint = records(&ends_with(0, folder, &["info", "runs/paris/checkpoint.bpk", "--json"]));
    assert_eq!((&checkpoint[0]["kind"], &checkpoint[0]["steps"]), (&"checkpoint".into(), &4.into()));
    assert_eq!(weights[0]["parameters"], checkpoint[0]["parameters"]);
    assert_eq!(weights[0]["masks"], checkpoint[0]["masks"]);

    // There and back again is the same network.
    ends_with(0, folder, &["convert", "runs/paris/model.safetensors", "port.safetensors", "--to", "pytorch"]);
    let network = ["--preset", "recommended", "--size", "64", "--width", "4"];
    ends_with(0, folder, &[&["convert", "port.safetensors", "back.safetensors"], &network[..]].concat());
    let measure = |weights: &str| {
        let arguments =
            ["evaluate", "runs/paris/samples", "--weights", weights, "--protocol", "hidden", "--json"];
        ends_with(0, folder, &arguments)
    };
    let scores = measure("runs/paris/model.safetensors");
    assert_eq!(scores, measure("back.safetensors"));
    let fills: Vec<_> = records(&scores).iter().map(|record| record["fill"].to_string()).collect();
    let expected = ["context encoder", "context encoder, blended", "border mean", "harmonic"];
    assert_eq!(fills, expected.map(|name| format!("\"{name}\"")));
    ends_with(
        0,
        folder,
        &["convert", "runs/paris/model.safetensors", "half.safetensors", "--precision", "f16"],
    );
    let size = |name: &str| fs::metadata(folder.join(name)).expect("written").len();
    assert!(size("half.safetensors") * 10 < size("back.safetensors") * 6);
    let half = ends_with(0, folder, &["info", "half.safetensors"]);
    assert!(half.contains("steps         4"), "the record goes along: {half}");
    let table = ends_with(
        0,
        folder,
        &["evaluate", "runs/paris/samples", "--weights", "back.safetensors", "--sheet", "sheet.png"],
    );
    assert_eq!(table.matches("| context encoder |").count(), 3, "{table}");
    assert!(folder.join("sheet.png").is_file());
    let wrong = run(folder, &["convert", "port.safetensors", "no.safetensors", "--preset", "paper"]);
    assert!(wrong.0 == 1 && wrong.2.contains("main."), "{}", wrong.2);
    fs::write(folder.join("runs/paris/samples/broken.png"), "no").expect("written");
    let arguments = ["evaluate", "runs/paris/samples", "--weights", "back.safetensors", "--quiet"];
    let (code, _, said) = run(folder, &arguments);
    assert!(code == 3 && said.contains("broken.png"), "{said}");
}
