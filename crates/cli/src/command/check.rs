//! `check`: what is wrong in a folder of pictures.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, Result, WrapErr};
use serde_json::json;

use crate::{
    crew::Crew,
    outcome::Outcome,
    output::Output,
    survey::{Finding, Survey},
};

/// Look through a folder of pictures and its subfolders. Exit code 3 when something is found.
#[derive(Args)]
pub struct Check {
    /// The folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Another folder, such as that of the test pictures: none of its pictures may be in the first, equal or nearly so
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Pictures with a shorter side than this are tiny, pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 128)]
    least_side: u32,
    /// Where a list of all files with their SHA-256 goes, in the form that `sha256sum --check` reads
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    crew: Crew,
}

impl Check {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let survey = self.survey(&self.folder, output)?;
        let mut findings = survey.findings(self.least_side);
        if let Some(other) = &self.against {
            findings.extend(survey.leaks(&self.survey(other, output)?));
        }
        for Finding { kind, file, other, reason } in &findings {
            let beside = other.as_ref().map(|other| format!(" and {}", other.display())).unwrap_or_default();
            output.result(format_args!("{:<15} {}{beside}: {reason}", kind.name(), file.display()));
            output.record(&json!({
                "event": "found", "kind": kind.name(), "file": file.display().to_string(),
                "other": other.as_ref().map(|other| other.display().to_string()), "reason": reason,
            }));
        }
        if let Some(path) = &self.manifest {
            write_manifest(path, &survey)?;
            output.note(format_args!("wrote {}", path.display()));
        }
        let (pictures, found) = (survey.pictures(), findings.len());
        output.record(
            &json!({ "event": "done", "files": survey.files.len(), "pictures": pictures, "found": found }),
        );
        output.note(format_args!(
            "{} files, {pictures} of them usable pictures; {found} findings",
            survey.files.len()
        ));
        Ok(Outcome::of(found))
    }

    fn survey(&self, folder: &Path, output: &Output) -> Result<Survey> {
        Survey::take(folder, &self.crew, output)
    }
}

/// One line a file: hash, two spaces, path below the folder.
fn write_manifest(path: &Path, survey: &Survey) -> Result<()> {
    let lines: String = survey.files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect();
    let written = context_encoder::files::atomic_write(path, lines.as_bytes());
    written.into_diagnostic().wrap_err_with(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_manifest_is_what_sha256sum_reads() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("a.txt"), "abc").expect("written");
        let crew = Crew::of(1);
        let survey = Survey::take(folder.path(), &crew, &Output::new(false, true, false)).expect("surveyed");
        let path = folder.path().join("list");
        write_manifest(&path, &survey).expect("written");
        // The hash of "abc" from the standard (FIPS 180-4, example B.1).
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.txt\n";
        assert_eq!(fs::read_to_string(path).expect("there"), expected);
    }
}
