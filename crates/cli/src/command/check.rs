//! `check`: what is wrong in a folder of images.

use std::path::PathBuf;

use clap::Args;
use miette::Result;
use serde_json::json;

use crate::{
    console::{Console, ExitStatus},
    dataset_report::{DatasetReport, Finding},
    device::ThreadsArgs,
};

/// Check the files of a folder and its subfolders. Exit code 3 when something is found.
#[derive(Args)]
pub struct Check {
    /// The folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Another folder, such as that of the test pictures: none of its pictures may be in the first, equal or
    /// nearly so
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Pictures with a shorter side than this are tiny, pixels
    #[arg(long, alias = "least-side", value_name = "PIXELS", default_value_t = 128)]
    min_side: u32,
    /// File for a list of all files with their SHA-256, in the format that `sha256sum --check` reads
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadsArgs,
}

impl Check {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let report = DatasetReport::read(&self.folder, &self.threads, console)?;
        let mut findings = report.findings(self.min_side);
        if let Some(other) = &self.against {
            findings.extend(report.leaks(&DatasetReport::read(other, &self.threads, console)?));
        }
        for Finding { kind, file, other, reason } in &findings {
            let and_other =
                other.as_ref().map(|other| format!(" and {}", other.display())).unwrap_or_default();
            console.result(format_args!("{:<15} {}{and_other}: {reason}", kind.name(), file.display()));
            console.record(&json!({
                "event": "found", "kind": kind.name(), "file": file.display().to_string(),
                "other": other.as_ref().map(|other| other.display().to_string()), "reason": reason,
            }));
        }
        if let Some(path) = &self.manifest {
            console.write_file(path, report.manifest().as_bytes())?;
        }
        let (files, images, found) = (report.files.len(), report.image_count(), findings.len());
        console.record(&json!({ "event": "done", "files": files, "pictures": images, "found": found }));
        console.note(format_args!("{files} files, {images} of them usable pictures; {found} findings"));
        Ok(ExitStatus::from_failures(found))
    }
}
