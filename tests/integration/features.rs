//! Burn is large: the program, the examples and the tests must share one build of it. They do when every
//! package below them has the same features for each.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Features of each package that a build of `package` compiles, by name and version. A package that is
/// compiled for build scripts as well can have other features there.
fn features(package: &str, edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            package,
            "--edges",
            edges,
            "--prefix",
            "none",
            "--locked",
            "--format",
            "{p}\t{f}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('\t'));
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (package, features) in lines {
        all.entry(package.to_owned()).or_default().insert(features.to_owned());
    }
    all
}

/// What the structure's test parses code with: to everything else they are compiled for the compiler only, so
/// that other features of them build nothing anew.
const PARSERS: [&str; 3] = ["proc-macro2 ", "quote ", "syn "];

#[test]
fn the_program_and_the_examples_share_one_build_of_burn() {
    let program = features("context-encoder-cli", "normal,build");
    let examples = features("context-encoder", "normal,build,dev");
    assert!(program.keys().any(|package| package.starts_with("burn v")));
    let differ: Vec<String> = program
        .iter()
        .filter(|(package, _)| !package.starts_with("context-encoder"))
        .filter(|(package, _)| !PARSERS.iter().any(|parser| package.starts_with(parser)))
        .filter_map(|(package, features)| {
            let other = examples.get(package).filter(|other| *other != features)?;
            Some(format!("{package}: {features:?} for the program, {other:?} for the examples"))
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
