//! The program's commands.

mod bench;
mod check;
mod completions;
mod conformance;
mod convert;
mod evaluate;
mod features;
mod info;
mod inpaint;
mod interpolate;
pub mod masks;
mod report;
mod reproduce;
mod retrieve;
mod sample;
#[cfg(feature = "remote")]
mod serve;
mod train;
mod transfer;
mod warm;
#[cfg(feature = "web")]
mod web;

use clap::Subcommand;
use miette::Result;

use crate::console::{Console, ExitStatus};

#[derive(Subcommand)]
pub enum Command {
    /// Fill holes in photographs, at their own size and in their own format
    Inpaint(inpaint::Inpaint),
    /// Fill photographs on a page in the browser, or over HTTP, on this machine only
    #[cfg(feature = "web")]
    Web(web::Web),
    /// Train a network; without arguments, a narrow one on built-in facades in a few minutes
    Train(train::Train),
    /// Train a feature network, by inpainting or, for comparison, as an autoencoder
    Pretrain(train::Pretrain),
    /// Evaluate weights on a folder of pictures, as in the paper's Table 1
    Evaluate(evaluate::Evaluate),
    /// Extract one feature vector of each picture, from what surrounds its hidden centre
    Features(features::Features),
    /// Find the nearest neighbours of pictures by their surroundings of the centre, as in the paper's Figure
    /// 8
    Retrieve(retrieve::Retrieve),
    /// Draw masks of a generator and a histogram of how much of the picture they hide
    Masks(masks::Masks),
    /// Check a folder of pictures: bad, duplicate, tiny and odd files, and leaks into another folder
    Check(check::Check),
    /// Convert weights between this program's format and others
    Convert(convert::Convert),
    /// Interpolate between the weights of two networks of one architecture
    #[command(alias = "mix")]
    Interpolate(interpolate::Interpolate),
    /// Write one HTML file about a training run: curves, samples, scores, settings, machine and commit
    Report(report::Report),
    /// Show what a file of weights or a checkpoint holds
    Info(info::Info),
    /// Write built-in facade pictures as sample data
    Sample(sample::Sample),
    /// Fine-tune and test pretrained encoders: classification, probes of frozen features, segmentation,
    /// detection
    #[command(subcommand)]
    Transfer(transfer::Transfer),
    /// Run an experiment of the paper and print its rows beside ours
    #[command(subcommand)]
    Reproduce(reproduce::Reproduce),
    /// Compare what a device computes with the reference implementation on the processor, part by part
    Conformance(conformance::Conformance),
    /// Measure pictures per second in training and inference, and the memory they take
    Bench(bench::Bench),
    /// Compile and choose a graphics card's kernels ahead of the first run
    Warm(warm::Warm),
    /// Serve this machine's devices to programs on other machines
    #[cfg(feature = "remote")]
    Serve(serve::Serve),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command into a folder
    Man(completions::Man),
}

impl Command {
    /// `program` is the definition of all arguments, for completions and manual pages.
    pub fn run(self, program: clap::Command, console: &Console) -> Result<ExitStatus> {
        match self {
            Self::Inpaint(command) => command.run(console),
            #[cfg(feature = "web")]
            Self::Web(command) => command.run(console),
            Self::Warm(command) => command.run(console),
            Self::Train(command) => command.run(console),
            Self::Pretrain(command) => command.run(console),
            Self::Evaluate(command) => command.run(console),
            Self::Features(command) => command.run(console),
            Self::Retrieve(command) => command.run(console),
            Self::Masks(command) => command.run(console),
            Self::Check(command) => command.run(console),
            Self::Convert(command) => command.run(console),
            Self::Interpolate(command) => command.run(console),
            Self::Report(command) => command.run(console),
            Self::Info(command) => command.run(console),
            Self::Sample(command) => command.run(console),
            Self::Transfer(command) => command.run(console),
            Self::Reproduce(command) => command.run(console),
            Self::Conformance(command) => command.run(console),
            Self::Bench(command) => command.run(console),
            #[cfg(feature = "remote")]
            Self::Serve(command) => command.run(console),
            Self::Completions(command) => command.run(program),
            Self::Man(command) => command.run(program, console),
        }
    }
}
