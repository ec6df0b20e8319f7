//! `man`: the manual.

use std::{fs, io::Write, path::PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;
use context_encoder::files::atomic_write;
use miette::{IntoDiagnostic, Result, WrapErr};

use crate::{Program, outcome::Outcome, output::Output};

/// Print the manual page: `context-encoder man | man -l -`.
#[derive(Args)]
pub struct Man {
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Man {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let mut program = Program::command();
        program.build();
        let Some(folder) = &self.to else {
            std::io::stdout().lock().write_all(&page(program)?).into_diagnostic()?;
            return Ok(Outcome::Complete);
        };
        fs::create_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot make {}", folder.display()))?;
        let commands: Vec<Command> =
            program.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
        for command in std::iter::once(program).chain(commands) {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
            let path = folder.join(format!("{name}.1"));
            atomic_write(&path, &page(command)?)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot write {}", path.display()))?;
            output.note(format_args!("wrote {}", path.display()));
        }
        Ok(Outcome::Complete)
    }
}

fn page(command: Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Page::new(command).render(&mut page).into_diagnostic()?;
    Ok(page)
}
