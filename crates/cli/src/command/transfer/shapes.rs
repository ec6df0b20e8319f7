//! `transfer tiny`: a synthetic data set of plain shapes; and the one of smoke runs.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::transfer::Voc;
use miette::{IntoDiagnostic, Result};

use crate::console::{Console, ExitStatus};

/// Draw discs, squares and triangles with boxes and class masks, in VOC's layout.
#[derive(Args)]
pub struct Shapes {
    /// The folder to write into
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// How many pictures; half of them are `train`, a quarter `val`, a quarter `test`
    #[arg(long, default_value_t = 16, value_name = "N")]
    count: usize,
    /// The same seed gives the same pictures
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

impl Shapes {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        Voc::draw_shapes(&self.output, self.count, self.seed).into_diagnostic()?;
        console.note(format_args!("wrote {} pictures to {}", self.count, self.output.display()));
        Ok(ExitStatus::Complete)
    }
}

/// Pictures of a smoke run: four to train on.
const SMOKE_COUNT: usize = 6;

/// A folder with drawn shapes for a smoke run, removed when it is dropped.
pub struct SmokeFolder(PathBuf);

impl SmokeFolder {
    /// The folder, for a smoke run.
    pub fn draw_if(smoke: bool) -> Result<Option<Self>> {
        if !smoke {
            return Ok(None);
        }
        let folder = Self(std::env::temp_dir().join(format!("context-encoder-smoke-{}", std::process::id())));
        Voc::draw_shapes(folder.path(), SMOKE_COUNT, 0).into_diagnostic()?;
        Ok(Some(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmokeFolder {
    fn drop(&mut self) {
        // What cannot be removed from the system's temporary folder is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
