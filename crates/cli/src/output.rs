//! What the program says, and to whom: results on standard output, talk on standard error.

use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use miette::Report;
use serde_json::{Value, json};

/// Where results, remarks, errors and progress go.
pub struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
    bar: ProgressBar,
}

impl Output {
    pub fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        Self { json, quiet, verbose, bar: ProgressBar::hidden() }
    }

    /// Whether results are written for other programs.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether only results and errors are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// What was asked for, in words. Nobody to read it is no reason to stop.
    pub fn result(&self, text: impl Display) {
        if !self.json {
            self.bar.suspend(|| {
                let _ = writeln!(stdout().lock(), "{text}");
            });
        }
    }

    /// What was asked for or has happened, for other programs: one line of JSON.
    pub fn record(&self, record: &Value) {
        if self.json {
            self.bar.suspend(|| {
                let mut out = stdout().lock();
                let _ = writeln!(out, "{record}").and_then(|()| out.flush());
            });
        }
    }

    /// A remark for people.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.say(&text);
        }
    }

    /// A remark for people who asked for more.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.say(&text);
        }
    }

    /// Something that failed while the rest goes on; said to people and programs alike, also when they asked for quiet.
    pub fn failure(&self, file: &str, reason: &str) {
        if reason.contains(file) {
            self.say(&format_args!("failed  {reason}"));
        } else {
            self.say(&format_args!("failed  {file}: {reason}"));
        }
        self.record(&json!({ "event": "failed", "file": file, "reason": reason }));
    }

    /// Why the program stops.
    pub fn error(&self, report: &Report) {
        let help = report.help().map(|help| help.to_string());
        let advice = help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
        self.say(&format_args!("error: {}{advice}", chain(report)));
        self.record(&json!({ "event": "error", "error": chain(report), "help": help }));
    }

    /// A bar over so many things, with rate and time left; drawn on terminals only.
    #[must_use]
    pub fn with_bar(&self, length: usize, what: &'static str) -> Self {
        let bar =
            if self.quiet || self.json { ProgressBar::hidden() } else { ProgressBar::new(length as u64) };
        let template = "{wide_bar} {pos}/{len} {prefix}  {per_sec}  {elapsed} gone, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, ..*self }
    }

    /// One thing more is done.
    pub fn advance(&self) {
        self.bar.inc(1);
    }

    /// So many are done.
    pub fn reach(&self, done: usize) {
        self.bar.set_position(done as u64);
    }

    /// Takes the bar away.
    pub fn clear_bar(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, text: &dyn Display) {
        self.bar.suspend(|| {
            let _ = writeln!(stderr().lock(), "{text}");
        });
    }
}

/// An error and what caused it, on one line. Causes that the message has already are not said again.
pub fn chain(report: &Report) -> String {
    report.chain().fold(String::new(), |text, cause| match cause.to_string() {
        cause if text.is_empty() => cause,
        cause if text.contains(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}
