//! The commit that the program is built from, for what a run records of itself. Builds for tests do not look,
//! so that a commit does not compile them again.

use std::{env, fs, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let commit = if env::var("PROFILE").as_deref() == Ok("release") { commit() } else { None };
    println!("cargo:rustc-env=CONTEXT_ENCODER_COMMIT={}", commit.unwrap_or_default());
}

/// As Cargo notes it in packages, or as Git has it in a clone.
fn commit() -> Option<String> {
    if let Ok(info) = fs::read_to_string(".cargo_vcs_info.json") {
        let (_, after) = info.split_once("\"sha1\": \"")?;
        return Some(after.chars().take_while(char::is_ascii_hexdigit).take(10).collect());
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo:rerun-if-changed={log}");
    git(&["rev-parse", "--short=10", "HEAD"])
}
