//! `transfer`: what encoders are good for, one file for each task.

mod classify;
mod comparison;
mod detect;
mod encoders;
mod segment;
mod shapes;
mod training;

use clap::Subcommand;
use miette::Result;

use crate::console::{Console, ExitStatus};

pub use classify::{ClassifyTask, DatasetArgs, LayersArgs, ProbeTask};
pub use comparison::{ResultTable, Task};
pub use detect::{DetectTask, ProposalArgs};
pub use encoders::{EncoderArgs, EncoderSource, NamedEncoder};
pub use segment::SegmentTask;
pub use shapes::SmokeFolder;
pub use training::{Attempt, TrainingArgs};

#[derive(Subcommand)]
pub enum Transfer {
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
        match self {
            Self::Classify(command) => command.run(console),
            Self::Probe(command) => command.run(console),
            Self::Segment(command) => command.run(console),
            Self::Detect(command) => command.run(console),
            Self::Tiny(command) => command.run(console),
        }
    }
}
