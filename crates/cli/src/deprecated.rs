//! Remarks on deprecated names of commands, options and values: clap accepts them as hidden aliases and does
//! not say so.

use clap::{Arg, Command};

/// A remark for each deprecated name among the program's arguments.
pub fn remarks(mut program: Command, arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    program.build();
    let mut command = &program;
    let mut remarks = Vec::new();
    let mut remark = |old: &str, new: &str| {
        remarks.push(format!("`{old}` is deprecated and still works; write `{new}`"));
    };
    // The option whose value is the next argument.
    let mut option: Option<&Arg> = None;
    for argument in arguments {
        if argument == "--" {
            break;
        }
        if let Some(text) = argument.strip_prefix("--") {
            let (name, value) =
                text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            let named = |arg: &&Arg| {
                arg.get_long() == Some(name)
                    || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
            };
            let Some(arg) = command.get_arguments().find(named) else { continue };
            let is_visible = arg.get_visible_aliases().is_some_and(|aliases| aliases.contains(&name));
            if let Some(long) = arg.get_long().filter(|long| *long != name && !is_visible) {
                remark(&format!("--{name}"), &format!("--{long}"));
            }
            match value {
                Some(value) => remark_values(arg, value, &mut remark),
                None => option = Some(arg).filter(|arg| arg.get_action().takes_values()),
            }
        } else if let Some(arg) = option.take() {
            remark_values(arg, &argument, &mut remark);
        } else if let Some(subcommand) = command.find_subcommand(&argument) {
            if subcommand.get_name() != argument
                && !subcommand.get_visible_aliases().any(|alias| alias == argument)
            {
                remark(&argument, subcommand.get_name());
            }
            command = subcommand;
        }
    }
    remarks
}

fn remark_values(arg: &Arg, values: &str, remark: &mut impl FnMut(&str, &str)) {
    let possible = arg.get_possible_values();
    let long = arg.get_long().unwrap_or_default();
    for value in values.split(|c| Some(c) == arg.get_value_delimiter()) {
        if let Some(new) = possible.iter().find(|new| new.get_name() != value && new.matches(value, false)) {
            remark(&format!("--{long} {value}"), &format!("--{long} {}", new.get_name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, error::ErrorKind};

    use crate::Program;

    use super::remarks;

    /// Command lines with deprecated names, the old and the new ones of each.
    const DEPRECATED: &[(&str, &[(&str, &str)])] = &[
        ("mix a b --share=0.5 -o c", &[("mix", "interpolate"), ("--share", "--alpha")]),
        ("inpaint a --mask-colour #ff00ff -o b", &[("--mask-colour", "--mask-color")]),
        ("inpaint a --mask b -o c --blend membrane", &[("--blend membrane", "--blend poisson")]),
        ("inpaint a --mask b -o c --blend=poisson", &[]),
        ("evaluate photos --sheet a.png", &[("--sheet", "--image-grid")]),
        ("--json retrieve mix --gallery mix --sheet=a.png", &[("--sheet", "--image-grid")]),
        ("check photos --least-side 9", &[("--least-side", "--min-side")]),
        ("train --data a --without b", &[("--without", "--exclude")]),
        ("convert a b --code 8", &[("--code", "--bottleneck")]),
        (
            "transfer segment a --rescale --rate 1e-3 --encoder-rate=0 --descent adam --reach 3",
            &[
                ("--rescale", "--data-dependent-init"),
                ("--rate", "--lr"),
                ("--encoder-rate", "--encoder-lr-scale"),
                ("--descent", "--optimizer"),
                ("--reach", "--kernel-size"),
            ],
        ),
        ("interpolate mix b --alpha 0.5 -o c", &[]),
        ("inpaint a --mask-color #ff00ff -o --sheet", &[]),
    ];

    #[test]
    fn deprecated_names_work_and_are_remarked() {
        for (line, names) in DEPRECATED {
            let expected: Vec<String> = names
                .iter()
                .map(|(old, new)| format!("`{old}` is deprecated and still works; write `{new}`"))
                .collect();
            let words = || line.split(' ').map(str::to_owned);
            assert_eq!(remarks(Program::command(), words()), expected, "{line}");
            if let Err(error) =
                Program::try_parse_from(std::iter::once("context-encoder".to_owned()).chain(words()))
            {
                assert!(names.is_empty() && error.kind() != ErrorKind::InvalidSubcommand, "{line}: {error}");
            }
        }
    }

    #[test]
    fn current_command_line_is_valid() {
        Program::command().debug_assert();
    }
}
