//! The `context-encoder` program: arguments and wiring; what it does is in the library.

mod chart;
mod command;
mod console;
mod dataset_report;
mod deprecated;
mod descriptor;
mod device;
mod file_pairs;
#[cfg(feature = "web")]
mod form;
#[cfg(feature = "web")]
mod http;
mod interrupt;
#[cfg(feature = "cards")]
mod kernel_store;
mod machine;
mod mask_folder;
mod mask_input;
mod panics;
mod report;
mod resized_folder;
mod training;
mod weights;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::{
    command::Command,
    console::{Console, EXIT_CODES},
};

const OUTPUT_HEADING: &str = "Output";

/// Fill holes in photographs with context encoders; train and evaluate them.
#[derive(Parser)]
#[command(name = "context-encoder", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Program {
    /// Print one JSON object a line on standard output, for other programs
    #[arg(long, global = true, help_heading = OUTPUT_HEADING)]
    json: bool,
    /// Print only results and errors
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = OUTPUT_HEADING)]
    quiet: bool,
    /// Print more: each file and each measurement when it is done
    #[arg(long, short, global = true, help_heading = OUTPUT_HEADING)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let program = Program::parse();
    let console = Console::new(program.json, program.quiet, program.verbose);
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    deprecated::remarks(Program::command(), arguments).iter().for_each(|remark| console.note(remark));
    let status = panics::catch_panics(|| program.command.run(Program::command(), &console));
    match status.and_then(|status| console::check_results().map(|()| status)) {
        Ok(status) => status.into(),
        Err(report) => {
            console.error(&report);
            ExitCode::FAILURE
        }
    }
}
