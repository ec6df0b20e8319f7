//! `transfer`: what encoders are good for, one file for each task.

mod classify;
mod detect;
mod encoders;
mod learning;
mod probe;
mod results;
mod segment;
mod sets;
mod smoke_dir;
mod tiny;

use clap::{Args, Subcommand};
use miette::Result;

use crate::{outcome::Outcome, output::Output};

pub use encoders::{EncoderArgs, Named};
pub use learning::{Attempt, LearningArgs};
pub use results::ResultTable;
pub use smoke_dir::SmokeDir;
pub use {
    classify::{Classes, Pictures, shorter_side},
    detect::{DetectArgs, Objects},
    probe::Probes,
    segment::Masks,
};

/// Teach and test what encoders are good for: classification, probes, segmentation, detection.
#[derive(Args)]
pub struct Transfer {
    #[command(subcommand)]
    task: TransferTask,
}

#[derive(Subcommand)]
enum TransferTask {
    /// Fine-tune AlexNet's classifier on a folder of classes, or on PASCAL VOC; tested on ten crops of each
    /// picture
    Classify(classify::Classify),
    /// Judge frozen features, layer by layer: a linear classifier, and nearest neighbours
    Probe(probe::ProbeCommand),
    /// Fine-tune a fully convolutional network on class masks in VOC's layout
    Segment(segment::Segment),
    /// Fine-tune Fast R-CNN on boxes in VOC's layout
    Detect(detect::Detect),
    /// Draw a small development kit of plain shapes in VOC's layout, to try things on
    Tiny(tiny::Tiny),
}

impl Transfer {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        match &self.task {
            TransferTask::Classify(command) => command.run(output),
            TransferTask::Probe(command) => command.run(output),
            TransferTask::Segment(command) => command.run(output),
            TransferTask::Detect(command) => command.run(output),
            TransferTask::Tiny(command) => command.run(output),
        }
    }
}
