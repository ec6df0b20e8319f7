//! `transfer tiny`: a devkit of plain shapes.

use std::path::PathBuf;

use clap::Args;
use context_encoder::transfer::voc::tiny;
use miette::{IntoDiagnostic, Result};

use crate::{outcome::Outcome, output::Output};

/// Draw discs, squares and triangles with boxes and class masks, in VOC's layout.
#[derive(Args)]
pub struct Tiny {
    /// The folder to write into
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// How many pictures; half of them are `train`, a quarter `val`, a quarter `test`
    #[arg(long, default_value_t = 16, value_name = "N")]
    count: usize,
    /// The same number gives the same pictures
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

impl Tiny {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        tiny::draw(&self.output, self.count, self.seed).into_diagnostic()?;
        output.note(format_args!("wrote {} pictures to {}", self.count, self.output.display()));
        Ok(Outcome::Complete)
    }
}
