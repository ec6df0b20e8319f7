//! Who watches a run.

mod lines;
mod pace;
mod terminal;

use std::path::{Path, PathBuf};

use context_encoder_data::Skipped;

pub use lines::Lines;
pub use pace::Pace;
pub use terminal::Terminal;

use crate::{StepRecord, Validation};

/// What a run is about to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Steps done before.
    pub first_step: u64,
    /// Steps when it is complete.
    pub steps: u64,
    /// Steps an epoch.
    pub steps_per_epoch: u64,
    /// Pictures a step.
    pub batch_size: usize,
    /// Parameters of the generator.
    pub parameters: usize,
    /// Pictures to learn from, in words.
    pub data: String,
    /// What is hidden, in words.
    pub masks: String,
    /// Where it computes, in words.
    pub device: String,
    /// The run's folder.
    pub folder: PathBuf,
}

/// Watches a run; every method but [`steps`](Self::steps) may be left as it is.
pub trait Progress: Send {
    /// The run begins.
    fn begin(&mut self, _plan: &Plan) {}

    /// Steps were done; the last of them is the newest.
    fn steps(&mut self, records: &[StepRecord], pace: &Pace);

    /// The network was validated.
    fn validated(&mut self, _validation: &Validation) {}

    /// A file was written.
    fn written(&mut self, _file: &Path) {}

    /// A picture cannot be used and is left out; told once for each.
    fn skipped(&mut self, _picture: &Skipped) {}

    /// The run is over, complete or stopped.
    fn end(&mut self) {}

    /// Whether the run should write its checkpoint and stop; asked after every step.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Watches nothing.
impl Progress for () {
    fn steps(&mut self, _records: &[StepRecord], _pace: &Pace) {}
}

/// The terminal's display when standard output is a terminal, plain lines otherwise.
pub fn for_standard_output() -> Box<dyn Progress> {
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        Box::new(Terminal::new())
    } else {
        Box::new(Lines::new(std::io::stdout()))
    }
}
