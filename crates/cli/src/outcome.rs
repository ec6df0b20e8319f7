//! How a command ended, for whoever started it.

use std::process::ExitCode;

/// The exit codes, as the help shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  not done: the error says why and what to do
  2  the command line is wrong
  3  done in part: some files failed, each is named; or `check` found something";

/// How a command that ran to its end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Complete,
    /// Some files failed, or something was found.
    Partial,
}

impl Outcome {
    /// Complete when nothing failed or was found.
    pub fn of(failures: usize) -> Self {
        if failures == 0 { Self::Complete } else { Self::Partial }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Complete => Self::SUCCESS,
            Outcome::Partial => Self::from(3),
        }
    }
}
