//! Runs on several devices, and in 16 bits.

use tempfile::tempdir;

use crate::{ends_with, records, run};

#[test]
fn a_run_on_two_devices_goes_on_on_one_and_in_16_bits() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let began = records(&ends_with(0, folder, &["train", "--smoke", "--devices", "flex,flex", "--json"]));
    assert!(
        began[0]["device"].as_str().is_some_and(|device| device.starts_with("2 devices: ")),
        "{}",
        began[0]
    );
    assert_eq!(began.iter().filter(|record| record["event"] == "step").count(), 2);
    ends_with(0, folder, &["train", "--resume", "--steps", "3", "--quiet"]);
    ends_with(0, folder, &["train", "--resume", "--steps", "4", "--quiet", "--precision", "bf16"]);
    ends_with(0, folder, &["pretrain", "--smoke", "--quiet", "--devices", "flex,flex", "--precision", "f16"]);
    let bench = ["bench", "--size", "64", "--task", "run", "--batch", "4", "--seconds", "0.01", "--json"];
    let measured = records(&ends_with(0, folder, &[&bench[..], &["--devices", "flex,flex"]].concat()));
    assert!(measured[0]["pictures_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{measured:?}");
}

#[test]
fn devices_that_cannot_be_used_are_named() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let said = |arguments: &[&str]| {
        let (code, _, said) = run(folder, &[&["train", "--smoke"], arguments].concat());
        assert_eq!(code, 1, "{said}");
        said
    };
    assert!(said(&["--devices", "flex,gpu"]).contains("no device `gpu`"));
    assert!(said(&["--devices", "flex,flex,flex"]).contains("batch_size is 4"));
    assert!(said(&["--device", "flex", "--set", "shares=3"]).contains("shares is 3"));
    let (code, _, said) = run(folder, &["bench", "--task", "train", "--devices", "flex,flex"]);
    assert!(code == 1 && said.contains("--task run"), "{said}");
    for twice in [&["--device", "flex", "--devices", "flex"][..], &["--precision", "f8"]] {
        let (code, _, said) = run(folder, &[&["train", "--smoke"], twice].concat());
        assert_eq!(code, 2, "{said}");
    }
}
