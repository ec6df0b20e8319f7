//! Help, completions and manual, and the commands that `docs/command-line.md` shows.

use tempfile::tempdir;

use crate::{ends_with, program};

const DOCUMENT: &str = include_str!("../../../../docs/command-line.md");

/// The commands in the document's shell blocks, without comments.
fn commands() -> Vec<String> {
    let blocks =
        DOCUMENT.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
    let text = blocks.collect::<String>().replace("\\\n", " ");
    let without_comment = |line: &str| line.split("    #").next().unwrap_or_default().trim().to_owned();
    text.lines().map(without_comment).filter(|line| line.starts_with("context-encoder ")).collect()
}

#[test]
fn documented_commands_work_in_their_order() {
    let folder = tempdir().expect("folder");
    let commands = commands();
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        let (_, arguments) = command.split_once(' ').expect("arguments");
        ends_with(0, folder.path(), &arguments.replace('\'', ""));
    }
}

#[test]
fn help_lists_documented_commands_and_exit_codes() {
    let folder = tempdir().expect("folder");
    let help = ends_with(0, folder.path(), "--help");
    assert!(help.contains("Exit codes:") && help.contains("3  partial success"), "{help}");
    let commands = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let names: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() >= 10, "{help}");
    for name in names.into_iter().filter(|&name| name != "help") {
        assert!(DOCUMENT.contains(&format!("## {name}")), "{name} is not documented");
    }
    let plain = program(folder.path(), "--help").env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0").output();
    assert!(!plain.expect("the program starts").stdout.contains(&0x1b));
    let version = concat!("context-encoder ", env!("CARGO_PKG_VERSION"));
    assert_eq!(ends_with(0, folder.path(), "--version").trim(), version);
}

#[test]
fn completions_and_manual_pages_are_made_for_every_shell_and_command() {
    let folder = tempdir().expect("folder");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(ends_with(0, folder.path(), &format!("completions {shell}")).contains("mask-dir"), "{shell}");
    }
    assert!(ends_with(0, folder.path(), "man").starts_with(".ie"));
    ends_with(0, folder.path(), "man --to pages -q");
    for page in ["context-encoder.1", "context-encoder-inpaint.1", "context-encoder-man.1"] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page}");
    }
}
