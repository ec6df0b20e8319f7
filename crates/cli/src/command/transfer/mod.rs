//! `transfer`: what encoders are good for, one file for each task.

mod classify;
mod comparison;
mod detect;
mod encoders;
mod segment;
mod shapes;
mod training;

use clap::{Args, Subcommand};
use miette::Result;

use crate::console::{Console, ExitStatus};

pub use classify::{ClassifyTask, DatasetArgs, LayersArgs, ProbeTask};
pub use comparison::{ResultTable, Task};
pub use detect::{DetectTask, ProposalArgs};
pub use encoders::{EncoderArgs, NamedEncoder};
pub use segment::SegmentTask;
pub use shapes::SmokeFolder;
pub use training::{Attempt, TrainingArgs};

/// Fine-tune and evaluate encoders: classification, probes, segmentation, detection.
#[derive(Args)]
pub struct Transfer {
    #[command(subcommand)]
    task: TransferTask,
}

#[derive(Subcommand)]
enum TransferTask {
    /// Fine-tune AlexNet's classifier on a folder of classes, or on PASCAL VOC; averages ten crops of each
    /// test picture
    Classify(classify::Classify),
    /// Evaluate frozen features, layer by layer: a linear classifier, and nearest neighbours
    Probe(classify::Probe),
    /// Fine-tune a fully convolutional network on class masks in VOC's layout
    Segment(segment::Segment),
    /// Fine-tune Fast R-CNN on boxes in VOC's layout
    Detect(detect::Detect),
    /// Draw a small synthetic data set of discs, squares and triangles in VOC's layout, to try things on
    Tiny(shapes::Shapes),
}

impl Transfer {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        match &self.task {
            TransferTask::Classify(command) => command.run(console),
            TransferTask::Probe(command) => command.run(console),
            TransferTask::Segment(command) => command.run(console),
            TransferTask::Detect(command) => command.run(console),
            TransferTask::Tiny(command) => command.run(console),
        }
    }
}
