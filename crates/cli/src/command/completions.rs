//! `completions`: what a shell needs to complete this program's arguments.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
use miette::{IntoDiagnostic, Result};

use crate::{Program, outcome::Outcome};

/// Print a completion script, such as for `~/.local/share/bash-completion/completions/context-encoder`.
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> Result<Outcome> {
        let mut script = Vec::new();
        generate(self.shell, &mut Program::command(), "context-encoder", &mut script);
        std::io::Write::write_all(&mut std::io::stdout().lock(), &script).into_diagnostic()?;
        Ok(Outcome::Complete)
    }
}
