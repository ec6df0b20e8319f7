//! What the program prints: results on standard output; remarks, errors and progress on standard error.

use std::{
    fmt::Display,
    io::{self, Write, stderr, stdout},
    path::Path,
    process::ExitCode,
    sync::OnceLock,
    time::Duration,
};

use context_encoder::{
    eval::{Interval, Scores},
    files::atomic_write,
};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, Report, Result, WrapErr, miette};
use serde_json::{Value, json};

/// The exit codes, as the help shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  failure: the error says why and what to do
  2  wrong command line
  3  partial success: some files failed, each is named; `check` found something; or a run was stopped before
     its last step";

/// How a command that ran to its end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything was done.
    Complete,
    /// Some files failed, `check` found something, or a run was stopped before its last step.
    Partial,
}

impl ExitStatus {
    pub fn from_failures(failures: usize) -> Self {
        if failures == 0 { Self::Complete } else { Self::Partial }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Complete => Self::SUCCESS,
            ExitStatus::Partial => Self::from(3),
        }
    }
}

/// Standard output and standard error, in the form that `--json`, `--quiet` and `--verbose` choose. A reader
/// that has gone never stops a command.
pub struct Console {
    json: bool,
    quiet: bool,
    verbose: bool,
    bar: ProgressBar,
}

impl Console {
    pub fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        Self { json, quiet, verbose, bar: ProgressBar::hidden() }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A result as text, unless results are JSON.
    pub fn result(&self, text: impl Display) {
        if !self.json {
            self.bar.suspend(|| remember_failure(writeln!(stdout().lock(), "{text}")));
        }
    }

    /// A result or an event as one line of JSON, if that is wanted.
    pub fn record(&self, record: &Value) {
        if self.json {
            self.bar.suspend(|| write_record(record));
        }
    }

    /// A remark, unless the console is quiet.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.print_error(&text);
        }
    }

    /// A remark for `--verbose`.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.print_error(&text);
        }
    }

    /// A file that failed while the others go on; printed even when the console is quiet.
    pub fn failure(&self, file: &str, reason: &str) {
        if reason.contains(file) {
            self.print_error(&format_args!("failed  {reason}"));
        } else {
            self.print_error(&format_args!("failed  {file}: {reason}"));
        }
        self.record(&json!({ "event": "failed", "file": file, "reason": reason }));
    }

    /// The error that ends the program.
    pub fn error(&self, report: &Report) {
        let help = report.help().map(|help| help.to_string());
        let advice = help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
        self.print_error(&format_args!("error: {}{advice}", error_chain(report)));
        self.record(&json!({ "event": "error", "error": error_chain(report), "help": help }));
    }

    /// Writes a file that was asked for, whole or not at all, and remarks it.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        atomic_write(path, bytes)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot write {}", path.display()))?;
        self.note(format_args!("wrote {}", path.display()));
        Ok(())
    }

    /// A progress bar over `length` things, drawn on terminals only.
    #[must_use]
    pub fn with_bar(&self, length: usize, what: &'static str) -> Self {
        let console = self.with_template(
            length,
            "{wide_bar} {pos}/{len} {prefix}  {per_sec}  {elapsed} elapsed, {eta} left",
        );
        console.bar.set_prefix(what);
        console
    }

    /// A progress bar over one thing, drawn on terminals only; [`fraction_listener`](Self::fraction_listener)
    /// moves it.
    #[must_use]
    pub fn with_fraction_bar(&self) -> Self {
        self.with_template(FINE, "{wide_bar} {percent} %  {elapsed} elapsed, {eta} left")
    }

    fn with_template(&self, length: usize, template: &str) -> Self {
        let bar =
            if self.quiet || self.json { ProgressBar::hidden() } else { ProgressBar::new(length as u64) };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, ..*self }
    }

    /// Takes the fraction that is done, on any thread.
    pub fn fraction_listener(&self) -> impl Fn(f32) + Send + Sync + 'static {
        let bar = self.bar.clone();
        move |fraction| bar.set_position((fraction * FINE as f32) as u64)
    }

    pub fn advance(&self) {
        self.bar.inc(1);
    }

    pub fn set_progress(&self, done: usize) {
        self.bar.set_position(done as u64);
    }

    pub fn clear_bar(&self) {
        self.bar.finish_and_clear();
    }

    fn print_error(&self, text: &dyn Display) {
        self.bar.suspend(|| {
            let _ = writeln!(stderr().lock(), "{text}");
        });
    }
}

/// Steps of a bar over one thing.
const FINE: usize = 1000;

/// One line of JSON on standard output, flushed for a program that waits for it.
pub fn write_record(record: &Value) {
    let mut out = stdout().lock();
    remember_failure(writeln!(out, "{record}").and_then(|()| out.flush()));
}

/// Why a result could not be written to standard output, the first time that happened; a reader that has gone
/// is no reason.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

fn remember_failure(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = FAILURE.set(error);
    }
}

/// An error if not every result could be written.
pub fn check_results() -> Result<()> {
    remember_failure(stdout().lock().flush());
    match FAILURE.get() {
        Some(error) => Err(miette!("cannot write to standard output ({error}); results are lost")),
        None => Ok(()),
    }
}

/// An error and its causes on one line; causes that the text contains already are not repeated.
pub fn error_chain(report: &Report) -> String {
    report.chain().fold(String::new(), |text, cause| match cause.to_string() {
        cause if text.is_empty() => cause,
        cause if text.contains(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}

/// Scores as JSON; NaN becomes null.
pub fn scores_json(scores: &Scores) -> Value {
    let Scores { l1, l2, psnr, ssim, sharpness } = scores;
    json!({ "l1_percent": l1, "l2_percent": l2, "psnr_db": psnr, "ssim": ssim, "sharpness": sharpness })
}

/// Both ends of an interval as JSON, or null.
pub fn interval_json(interval: Option<Interval>) -> Value {
    interval.map_or(Value::Null, |Interval { low, high }| json!([low, high]))
}

/// A table of text with column headings.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    pub fn markdown(&self) -> String {
        let line = |row: &[String]| format!("| {} |\n", row.join(" | "));
        let rule: Vec<String> = self.rows[0].iter().map(|_| "---".to_owned()).collect();
        let mut lines = self.rows.iter().map(|row| line(row));
        let head = lines.next().unwrap_or_default();
        head + &line(&rule) + &lines.collect::<String>()
    }

    /// Aligned columns for a terminal, the first to the left and the others to the right.
    pub fn plain(&self) -> String {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_aligned_or_markdown() {
        let mut table = Table::new(&["task", "batch"]);
        table.push(["train".to_owned(), "16".to_owned()]);
        assert_eq!(table.plain(), "task   batch\ntrain     16\n");
        assert_eq!(table.markdown(), "| task | batch |\n| --- | --- |\n| train | 16 |\n");
    }
}
