//! What the program can do, one file for each command.

mod check;
mod completions;
mod convert;
mod evaluate;
mod info;
mod inpaint;
mod man;
mod masks;
mod reproduce;
mod sample;
mod train;
mod transfer;

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
    /// Teach and test what encoders are good for: classification, probes of frozen features, segmentation, detection
    Transfer(transfer::Transfer),
    /// Run an experiment of the paper and print its rows beside ours
    Reproduce(reproduce::Reproduce),
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
            Self::Transfer(command) => command.run(output),
            Self::Reproduce(command) => command.run(output),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(output),
        }
    }
}
