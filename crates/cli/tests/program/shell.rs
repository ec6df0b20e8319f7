//! Help, completions, manual.

use tempfile::tempdir;

use crate::{ends_with, program};

#[test]
fn the_help_has_the_exit_codes_and_no_colours_when_none_are_wanted() {
    let folder = tempdir().expect("folder");
    let help = ends_with(0, folder.path(), &["--help"]);
    for line in ["inpaint", "Exit codes:", "3  done in part"] {
        assert!(help.contains(line), "{help}");
    }
    let plain = program(folder.path(), &["--help"]).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0").output();
    assert!(!plain.expect("the program starts").stdout.contains(&0x1b));
    assert_eq!(
        ends_with(0, folder.path(), &["--version"]).trim(),
        concat!("context-encoder ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn shells_and_manual_readers_are_served() {
    let folder = tempdir().expect("folder");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(ends_with(0, folder.path(), &["completions", shell]).contains("mask-dir"), "{shell}");
    }
    assert!(ends_with(0, folder.path(), &["man"]).starts_with(".ie"));
    ends_with(0, folder.path(), &["man", "--to", "pages", "-q"]);
    for page in ["context-encoder.1", "context-encoder-inpaint.1", "context-encoder-man.1"] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page}");
    }
}
