//! The program as a user runs it: files it leaves, what it prints, how it ends.

mod data;
mod documents;
mod errors;
mod inpaint;
mod kills;
mod training;
mod transfer;
#[cfg(feature = "web")]
mod web;

use std::{
    path::Path,
    process::{Command, Output},
};

use context_encoder::{Device, ModelConfig, eval::Protocol, model::Prediction};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// The program in a folder, with arguments separated by spaces.
fn program(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_context-encoder"));
    command.args(arguments.split_whitespace()).current_dir(folder).env_remove("RUST_BACKTRACE");
    command
}

/// Runs the program; exit code, standard output, standard error.
fn run(folder: &Path, arguments: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(folder, arguments).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

/// Runs a command that ends with this exit code; standard output.
fn ends_with(code: i32, folder: &Path, arguments: &str) -> String {
    let (actual, out, error) = run(folder, arguments);
    assert_eq!(actual, code, "{arguments}\n{out}\n{error}");
    out
}

/// Runs a command that fails with this exit code; standard error.
fn fails_with(code: i32, folder: &Path, arguments: &str) -> String {
    let (actual, out, error) = run(folder, arguments);
    assert_eq!(actual, code, "{arguments}\n{out}\n{error}");
    error
}

/// The lines of `--json`.
fn records(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Writes `model.safetensors`: untrained weights of a tiny network that predicts whole images of 64 pixels.
fn weights(folder: &Path) {
    let config = ModelConfig::default().with_size(64).with_width(2).with_prediction(Prediction::Whole);
    config.init(&Device::flex()).expect("valid").save(folder.join("model.safetensors")).expect("saved");
}

/// A folder with these weights, and `mask.png`, which hides the central square of 64 pixels.
fn folder_with_weights() -> TempDir {
    let folder = tempdir().expect("folder");
    weights(folder.path());
    Protocol::Hidden.mask(64).save(folder.path().join("mask.png")).expect("saved");
    folder
}
