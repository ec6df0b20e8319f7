//! Every command that `docs/command-line.md` shows, in the order in which it shows them.

use tempfile::tempdir;

use crate::run;

const DOCUMENT: &str = include_str!("../../../../docs/command-line.md");

/// The commands of the document's shell blocks, without their remarks.
fn commands() -> Vec<String> {
    let blocks =
        DOCUMENT.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
    let text = blocks.collect::<String>().replace("\\\n", " ");
    let bare = |line: &str| line.split("    #").next().unwrap_or_default().trim().to_owned();
    text.lines().map(bare).filter(|line| line.starts_with("context-encoder ")).collect()
}

#[test]
fn every_command_shown_works() {
    let folder = tempdir().expect("folder");
    let commands = commands();
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        let arguments: Vec<&str> =
            command.split_whitespace().skip(1).map(|word| word.trim_matches('\'')).collect();
        let (code, out, error) = run(folder.path(), &arguments);
        assert!(code == 0, "{command}\n{out}\n{error}");
    }
}

#[test]
fn every_command_of_the_program_is_described() {
    let folder = tempdir().expect("folder");
    let help = run(folder.path(), &["--help"]).1;
    let names = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty());
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 10, "{help}");
    for name in names.into_iter().filter(|&name| name != "help") {
        assert!(DOCUMENT.contains(&format!("## {name}")), "{name} is not described");
    }
}
