//! `reproduce`: the paper's experiments, from pretraining to the table.

mod baselines;
mod classes;
mod table2;

use clap::{Args, Subcommand};
use miette::Result;

use crate::{outcome::Outcome, output::Output};

/// Run an experiment of the paper, from pretraining to the table.
#[derive(Args)]
pub struct Reproduce {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// Classification, detection and segmentation on PASCAL VOC, beside the paper's figures (Table 2)
    Table2(table2::Table2),
    /// Classification alone, on a folder of classes: fine-tuned, and by a linear classifier on frozen layers
    Classes(classes::Classes),
}

impl Reproduce {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        match &self.experiment {
            Experiment::Table2(table) => table.run(output),
            Experiment::Classes(classes) => classes.run(output),
        }
    }
}
