//! The program as a user runs it: files it leaves, what it prints, how it ends.

mod data;
mod documents;
mod errors;
mod inpaint;
mod training;
mod transfer;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use context_encoder::{Device, ModelConfig, eval::Protocol, model::Prediction};
use serde_json::Value;

/// The arguments of a command: one string with spaces between them, or a list.
trait Arguments: std::fmt::Debug {
    fn list(&self) -> Vec<&str>;
}

impl Arguments for &str {
    fn list(&self) -> Vec<&str> {
        self.split_whitespace().collect()
    }
}

impl Arguments for &String {
    fn list(&self) -> Vec<&str> {
        self.split_whitespace().collect()
    }
}

impl<const N: usize> Arguments for &[&str; N] {
    fn list(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl Arguments for &[&str] {
    fn list(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl Arguments for &Vec<&str> {
    fn list(&self) -> Vec<&str> {
        self.to_vec()
    }
}

/// The program, in a folder.
fn program(folder: &Path, arguments: impl Arguments) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_context-encoder"));
    command.args(arguments.list()).current_dir(folder).env_remove("RUST_BACKTRACE");
    command
}

/// Runs the program; exit code, standard output, standard error.
fn run(folder: &Path, arguments: impl Arguments) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(folder, arguments).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

/// Runs a command that ends with this exit code; standard output.
fn ends_with(code: i32, folder: &Path, arguments: impl Arguments) -> String {
    let line = format!("{arguments:?}");
    let (actual, out, error) = run(folder, arguments);
    assert_eq!(actual, code, "{line}\n{out}\n{error}");
    out
}

/// Runs a command that fails with this exit code; standard error.
fn fails_with(code: i32, folder: &Path, arguments: impl Arguments) -> String {
    let line = format!("{arguments:?}");
    let (actual, out, error) = run(folder, arguments);
    assert_eq!(actual, code, "{line}\n{out}\n{error}");
    error
}

/// The lines of `--json`.
fn records(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Untrained weights of a tiny network for images of 64 pixels, which predicts them whole.
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
