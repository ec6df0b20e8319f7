//! The program as a user runs it: files it leaves, what it says, how it ends.

mod data;
mod devices;
mod documents;
mod errors;
mod folder;
mod inpaint;
mod learning;
mod pretraining;
mod shell;
mod transfer;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use context_encoder::{Device, ModelConfig, eval::Protocol, model::Prediction};
use serde_json::Value;

/// The program, in a folder.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_context-encoder"));
    command.args(arguments).current_dir(folder).env_remove("RUST_BACKTRACE");
    command
}

/// Runs it; exit code, standard output, standard error.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(folder, arguments).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

/// Runs it to an end with this exit code; returns standard output.
fn ends_with(code: i32, folder: &Path, arguments: &[&str]) -> String {
    let (actual, out, error) = run(folder, arguments);
    assert_eq!(actual, code, "{arguments:?}\n{out}\n{error}");
    out
}

/// The lines of `--json`.
fn records(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Untrained weights of a tiny network for pictures of 64 pixels, which predicts them whole.
fn weights(folder: &Path) -> PathBuf {
    let path = folder.join("model.safetensors");
    let config = ModelConfig::default().with_size(64).with_width(2).with_prediction(Prediction::Whole);
    config.init(&Device::flex()).expect("valid").save(&path).expect("saved");
    path
}

/// A mask that hides the central square of 64 pixels.
fn mask(folder: &Path) -> PathBuf {
    let path = folder.join("mask.png");
    Protocol::Hidden.mask(64).save(&path).expect("saved");
    path
}
