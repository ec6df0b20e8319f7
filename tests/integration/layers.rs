//! Crates depend downwards only: the picture in docs/architecture.md, as a test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Which crates of the workspace a crate may use. Anything else is a step in the wrong direction.
const ALLOWED: [(&str, &[&str]); 16] = [
    ("ops", &[]),
    ("files", &[]),
    ("mask", &["files"]),
    ("model", &["ops", "files"]),
    ("loss", &[]),
    ("data", &["ops", "files", "mask"]),
    ("refine", &[]),
    ("weights", &[]),
    ("inpaint", &["mask", "model", "data", "refine", "weights"]),
    ("eval", &["ops", "files", "mask", "model", "data", "inpaint"]),
    ("train", &["ops", "files", "mask", "model", "loss", "data", "inpaint", "eval"]),
    ("transfer", &["ops", "files", "model", "data", "train"]),
    ("conformance", &["ops", "mask", "model", "loss", "data", "inpaint", "train"]),
    ("bench", &["ops", "mask", "model", "data", "train"]),
    (
        "",
        &[
            "ops",
            "mask",
            "files",
            "model",
            "loss",
            "data",
            "refine",
            "inpaint",
            "eval",
            "train",
            "transfer",
            "conformance",
            "bench",
        ],
    ),
    // As a stranger would: everything through the facade.
    ("cli", &[""]),
];

/// Crates that know nothing of Burn.
const WITHOUT_BURN: [&str; 5] = ["mask", "files", "refine", "weights", "cli"];

const PREFIX: &str = "context-encoder";

/// `cargo metadata` of this workspace.
pub(crate) fn metadata(arguments: &[&str]) -> Value {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// The short name of one of our packages: `mask`, or empty for the facade.
fn short(package: &str) -> Option<&str> {
    let rest = package.strip_prefix(PREFIX)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('-') }
}

/// Per package of the workspace, the packages that it uses outside its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| {
            let all = package["dependencies"].as_array().expect("dependencies").iter();
            let used = all
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]));
            (text(&package["name"]), used.collect())
        })
        .collect()
}

#[test]
fn crates_depend_downwards_only() {
    let dependencies = dependencies();
    assert_eq!(
        dependencies.len(),
        ALLOWED.len(),
        "a crate is new or gone: draw it in docs/architecture.md and here"
    );
    for (package, used) in dependencies {
        let name = short(&package).expect("our prefix");
        let (_, allowed) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name).expect("a known crate");
        for other in used.iter().filter_map(|other| short(other)) {
            assert!(allowed.contains(&other), "`{package}` must not use `{other}`");
        }
        if WITHOUT_BURN.contains(&name) {
            assert!(!used.contains("burn"), "`{package}` must not use Burn");
        }
    }
}

#[test]
fn no_library_crate_names_a_backend() {
    let metadata = metadata(&["--no-deps"]);
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("text");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let (burn, library) = (dependency["name"] == "burn", dependency["kind"].is_null());
            if !(burn && library) {
                continue;
            }
            assert_eq!(dependency["uses_default_features"], false, "{name} takes Burn with default features");
            for backend in ["flex", "ndarray", "cuda", "rocm", "wgpu", "vulkan", "metal", "cpu", "tch"] {
                let named = dependency["features"]
                    .as_array()
                    .expect("features")
                    .iter()
                    .any(|feature| feature == backend);
                assert!(!named, "{name} names the backend {backend}");
            }
        }
    }
}
