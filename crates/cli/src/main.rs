//! The `context-encoder` program: arguments and wiring; what it does is in the library.

mod breakdown;
mod command;
mod crew;
mod description;
mod device;
mod filler;
mod hole;
mod job;
mod likeness;
mod mask_choice;
mod outcome;
mod output;
mod report;
mod scores;
mod squares;
mod survey;
mod table;
mod training;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use crate::{command::Command, outcome::EXIT_CODES, output::Output};

/// Over the options that every command has.
const HEADING: &str = "What the program says";

/// Fill holes in photographs with context encoders; train and measure them.
#[derive(Parser)]
#[command(name = "context-encoder", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Program {
    /// Print one JSON object a line on standard output, for other programs
    #[arg(long, global = true, help_heading = HEADING)]
    json: bool,
    /// Print nothing but results and errors
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = HEADING)]
    quiet: bool,
    /// Say more: what each file held and what its new format cannot hold
    #[arg(long, short, global = true, help_heading = HEADING)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let program = Program::parse();
    let output = Output::new(program.json, program.quiet, program.verbose);
    match breakdown::told(|| program.command.run(&output)) {
        Ok(outcome) => outcome.into(),
        Err(report) => {
            output.error(&report);
            ExitCode::FAILURE
        }
    }
}
