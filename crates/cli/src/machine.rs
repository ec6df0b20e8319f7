//! Where a run was computed, by which program, and when: `machine.jsonl` in its folder, a line for each start
//! and resumption.

use std::{fs, io, path::Path, thread};

use context_encoder::{files::atomic_write, train::Plan};
use miette::{IntoDiagnostic, Result, WrapErr};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

const FILE: &str = "machine.jsonl";

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Steps done before.
    pub first_step: u64,
    /// When, in UTC.
    pub date: String,
    /// Version of the program, and the commit it was built from, where that is known.
    pub program: String,
    /// Where the run computes, in words.
    pub device: String,
    pub processor: String,
    pub threads: usize,
    pub system: String,
}

impl Machine {
    pub fn of(plan: &Plan) -> Self {
        let now = OffsetDateTime::now_utc();
        let commit = match env!("CONTEXT_ENCODER_COMMIT") {
            "" => String::new(),
            commit => format!(", commit {commit}"),
        };
        Self {
            first_step: plan.first_step,
            date: format!("{} {:02}:{:02} UTC", now.date(), now.hour(), now.minute()),
            program: format!("context-encoder {}{commit}", env!("CARGO_PKG_VERSION")),
            device: plan.device.clone(),
            processor: processor(),
            threads: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// Adds the line to a run's folder.
    pub fn append(&self, run: &Path) -> io::Result<()> {
        let path = run.join(FILE);
        let mut text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        text.push_str(&serde_json::to_string(self)?);
        text.push('\n');
        atomic_write(&path, text.as_bytes())
    }

    /// All lines of a run's folder; none where older versions trained.
    pub fn all(run: &Path) -> Result<Vec<Self>> {
        let path = run.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))?,
        };
        let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        lines.into_diagnostic().wrap_err_with(|| format!("{} is damaged; remove it", path.display()))
    }
}

/// The processor's name, as Linux has it; elsewhere its kind.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_read_back() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(Machine::all(folder.path()).expect("none").is_empty());
        let line = |first_step| Machine {
            first_step,
            date: "2026-11-27 03:00 UTC".to_owned(),
            program: "context-encoder 0.1.0".to_owned(),
            device: "flex".to_owned(),
            processor: processor(),
            threads: 2,
            system: "linux x86_64".to_owned(),
        };
        for first_step in [0, 7] {
            line(first_step).append(folder.path()).expect("written");
        }
        assert_eq!(Machine::all(folder.path()).expect("read"), [line(0), line(7)]);
        fs::write(folder.path().join(FILE), "{").expect("written");
        let error = format!("{:?}", Machine::all(folder.path()).expect_err("damaged"));
        assert!(error.contains("remove it"), "{error}");
    }
}
