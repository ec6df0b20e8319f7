//! What the program can do, one file for each command.

mod bench;
mod check;
mod completions;
mod conformance;
mod convert;
mod evaluate;
mod info;
mod inpaint;
mod man;
mod masks;
mod sample;
mod train;

use clap::Subcommand;
use miette::Result;

use crate::{outcome::Outcome, output::Output};

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Fill holes in photographs, at their own size and in their own format
    Inpaint(inpaint::Inpaint),
    /// Train a network; without arguments, a compact one on built-in facades in a few minutes
    Train(train::Train),
    /// Measure weights on a folder of pictures, as in the paper's Table 1
    Evaluate(evaluate::Evaluate),
    /// Preview what a mask generator hides: a sheet of masks, and how much of the picture they hide
    Masks(masks::Masks),
    /// Look through a folder of pictures: bad, duplicate, tiny and odd files, and leaks into another folder
    Check(check::Check),
    /// Convert weights between this program's files and those of PyTorch's public ports
    Convert(convert::Convert),
    /// Say what a file of weights or a checkpoint holds
    Info(info::Info),
    /// Write pictures of built-in facades, to try things on
    Sample(sample::Sample),
    /// Compare what a device computes with what the processor computes, part by part
    Conformance(conformance::Conformance),
    /// Measure how many pictures a second a device trains on and fills, and the memory that takes
    Bench(bench::Bench),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command into a folder
    Man(man::Man),
}

impl Command {
    pub fn run(self, output: &Output) -> Result<Outcome> {
        match self {
            Self::Inpaint(command) => command.run(output),
            Self::Train(command) => command.run(output),
            Self::Evaluate(command) => command.run(output),
            Self::Masks(command) => command.run(output),
            Self::Check(command) => command.run(output),
            Self::Convert(command) => command.run(output),
            Self::Info(command) => command.run(output),
            Self::Sample(command) => command.run(output),
            Self::Conformance(command) => command.run(output),
            Self::Bench(command) => command.run(output),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(output),
        }
    }
}
