//! `completions` and `man`: what a shell and its users need, made from the definition of the arguments.

use std::{fs, io::Write, path::PathBuf};

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man as Page;
use miette::{IntoDiagnostic, Result, WrapErr};

use crate::console::{Console, ExitStatus};

/// Print a completion script, such as for `~/.local/share/bash-completion/completions/context-encoder`.
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the manual page: `context-encoder man | man -l -`.
#[derive(Args)]
pub struct Man {
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Completions {
    pub fn run(&self, mut program: Command) -> Result<ExitStatus> {
        let mut script = Vec::new();
        generate(self.shell, &mut program, "context-encoder", &mut script);
        std::io::stdout().lock().write_all(&script).into_diagnostic()?;
        Ok(ExitStatus::Complete)
    }
}

impl Man {
    pub fn run(&self, mut program: Command, console: &Console) -> Result<ExitStatus> {
        program.build();
        let Some(folder) = &self.to else {
            std::io::stdout().lock().write_all(&page(program)?).into_diagnostic()?;
            return Ok(ExitStatus::Complete);
        };
        fs::create_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot make {}", folder.display()))?;
        let commands: Vec<Command> =
            program.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
        for command in std::iter::once(program).chain(commands) {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
            console.write_file(&folder.join(format!("{name}.1")), &page(command)?)?;
        }
        Ok(ExitStatus::Complete)
    }
}

fn page(command: Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Page::new(command).render(&mut page).into_diagnostic()?;
    Ok(page)
}
