//! What the program can do, one file for each command.

mod bench;
mod check;
mod completions;
mod conformance;
mod convert;
mod evaluate;
mod features;
mod info;
mod inpaint;
mod man;
mod masks;
mod mix;
mod pretrain;
mod reproduce;
mod retrieve;
mod sample;
#[cfg(feature = "remote")]
mod serve;
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
    /// Train a network for its features, by inpainting or, to compare, as an autoencoder
    Pretrain(pretrain::Pretrain),
    /// Measure weights on a folder of pictures, as in the paper's Table 1
    Evaluate(evaluate::Evaluate),
    /// Describe every picture of a folder by what surrounds its centre, into a file of vectors
    Features(features::Features),
    /// Find pictures whose surroundings look alike, without looking at the centre, as in the paper's Figure 8
    Retrieve(retrieve::Retrieve),
    /// Preview what a mask generator hides: a sheet of masks, and how much of the picture they hide
    Masks(masks::Masks),
    /// Look through a folder of pictures: bad, duplicate, tiny and odd files, and leaks into another folder
    Check(check::Check),
    /// Convert weights between this program's files and those of PyTorch's public ports
    Convert(convert::Convert),
    /// Mix two trained networks of one architecture, number by number
    Mix(mix::Mix),
    /// Say what a file of weights or a checkpoint holds
    Info(info::Info),
    /// Write pictures of built-in facades, to try things on
    Sample(sample::Sample),
    /// Teach and test what encoders are good for: classification, probes of frozen features, segmentation, detection
    Transfer(transfer::Transfer),
    /// Run an experiment of the paper and print its rows beside ours
    Reproduce(reproduce::Reproduce),
    /// Compare what a device computes with what the processor computes, part by part
    Conformance(conformance::Conformance),
    /// Measure how many pictures a second a device trains on and fills, and the memory that takes
    Bench(bench::Bench),
    /// Compute for programs on other machines
    #[cfg(feature = "remote")]
    Serve(serve::Serve),
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
            Self::Pretrain(command) => command.run(output),
            Self::Evaluate(command) => command.run(output),
            Self::Features(command) => command.run(output),
            Self::Retrieve(command) => command.run(output),
            Self::Masks(command) => command.run(output),
            Self::Check(command) => command.run(output),
            Self::Convert(command) => command.run(output),
            Self::Mix(command) => command.run(output),
            Self::Info(command) => command.run(output),
            Self::Sample(command) => command.run(output),
            Self::Transfer(command) => command.run(output),
            Self::Reproduce(command) => command.run(output),
            Self::Conformance(command) => command.run(output),
            Self::Bench(command) => command.run(output),
            #[cfg(feature = "remote")]
            Self::Serve(command) => command.run(output),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(output),
        }
    }
}
