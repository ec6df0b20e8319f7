//! `features`: a folder's pictures as vectors.

use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::Args;
use context_encoder::{eval::retrieval::VectorWriter, model::Precision};
use image::RgbImage;
use miette::{IntoDiagnostic, Result};
use serde_json::json;

use crate::{
    crew::Crew,
    description::{By, DescriptionChoice, PORTION},
    device::DeviceChoice,
    outcome::Outcome,
    output::Output,
    squares::SquareFolder,
};

/// Describe every picture of a folder and its subfolders by what surrounds its centre, one row each. Stopped and started
/// again, it goes on where it was; the pictures' names are in FILE.names, one a line.
#[derive(Args)]
pub struct Features {
    /// Folder of pictures
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Where the vectors go: .safetensors (a tensor `features`) or .npy
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// What describes a picture
    #[arg(long, value_enum, default_value_t = By::Features)]
    by: By,
    /// How numbers are stored: f32 or f16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    choice: DescriptionChoice,
    #[command(flatten)]
    device: DeviceChoice,
    #[command(flatten)]
    crew: Crew,
}

impl Features {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let mut descriptions = self.choice.open(&[self.by], &device)?;
        let description = descriptions.remove(0);
        let about = description.about();
        let folder = SquareFolder::open(&self.folder, description.side(), output)?;
        let source = fs::canonicalize(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let mut writer = VectorWriter::open(&self.output, self.precision, about, &source.to_string_lossy())
            .into_diagnostic()?;
        let mut failed = folder.skipped();
        let done: BTreeSet<&str> = writer.names().iter().map(String::as_str).collect();
        let mut missing = Vec::with_capacity(folder.len());
        for index in 0..folder.len() {
            let name = folder.name(index);
            if name.contains(['\n', '\r', char::REPLACEMENT_CHARACTER]) {
                output.failure(&name, "its name is not one line of text; rename it");
                failed += 1;
            } else if !done.contains(name.as_str()) {
                missing.push(index);
            }
        }
        if !done.is_empty() {
            output.note(format_args!("{} of {} were described before", done.len(), folder.len()));
        }

        let bar = output.with_bar(missing.len(), "pictures");
        for portion in missing.chunks(PORTION) {
            let (read, squares): (Vec<usize>, Vec<RgbImage>) =
                folder.read_some(portion, &self.crew, &bar).into_iter().unzip();
            failed += portion.len() - read.len();
            let names: Vec<String> = read.into_iter().map(|index| folder.name(index)).collect();
            writer.append(&names, &description.describe(&squares)?).into_diagnostic()?;
        }
        bar.clear_bar();
        let file = writer.finish().into_diagnostic()?;
        let (rows, length) = (file.names().len(), file.length());
        output.result(format_args!("{rows} rows of {length} numbers in {}", self.output.display()));
        output.record(&json!({
            "event": "done", "rows": rows, "length": length, "about": about,
            "file": self.output.display().to_string(),
        }));
        Ok(Outcome::of(failed))
    }
}
