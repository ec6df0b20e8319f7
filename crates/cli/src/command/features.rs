//! `features`: a feature vector of every image of a folder.

use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::Args;
use context_encoder::{eval::retrieval::VectorWriter, model::Precision};
use miette::{IntoDiagnostic, Result};
use serde_json::json;

use crate::{
    console::{Console, ExitStatus},
    descriptor::{BATCH, DescriptorArgs, DescriptorKind},
    device::{DeviceArgs, ThreadsArgs},
    resized_folder::ResizedFolder,
};

/// Extract a feature vector of every picture of a folder and its subfolders, of the surroundings of its
/// centre. A stopped command that is started again continues; the pictures' names are in FILE.names, one a
/// line.
#[derive(Args)]
pub struct Features {
    /// Folder of pictures
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// File for the vectors: .safetensors (a tensor `features`) or .npy
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Kind of the vectors
    #[arg(long, value_enum, default_value_t = DescriptorKind::Features)]
    by: DescriptorKind,
    /// Data type of the stored vectors: f32 or f16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    descriptor: DescriptorArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    threads: ThreadsArgs,
}

impl Features {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let device = self.device.open(console)?;
        let descriptor = self.descriptor.open(&[self.by], &device)?.remove(0);
        let about = descriptor.about();
        let folder = ResizedFolder::open(&self.folder, descriptor.side(), console)?;
        let source = fs::canonicalize(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let mut writer = VectorWriter::open(&self.output, self.precision, about, &source.to_string_lossy())
            .into_diagnostic()?;
        let mut failed = folder.skipped();
        let done: BTreeSet<&str> = writer.names().iter().map(String::as_str).collect();
        let mut missing = Vec::with_capacity(folder.len());
        for index in 0..folder.len() {
            let name = folder.name(index);
            if name.contains(['\n', '\r', char::REPLACEMENT_CHARACTER]) {
                console.failure(&name, "its name is not one line of valid text; rename it");
                failed += 1;
            } else if !done.contains(name.as_str()) {
                missing.push(index);
            }
        }
        if !done.is_empty() {
            console.note(format_args!("{} of {} have a vector already", done.len(), folder.len()));
        }

        let bar = console.with_bar(missing.len(), "pictures");
        for batch in missing.chunks(BATCH) {
            let (read, images) = folder.read_many(batch, &self.threads, &bar)?;
            failed += batch.len() - read.len();
            let names: Vec<String> = read.into_iter().map(|index| folder.name(index)).collect();
            writer.append(&names, &descriptor.describe(&images)?).into_diagnostic()?;
        }
        bar.clear_bar();
        let file = writer.finish().into_diagnostic()?;
        let (rows, length) = (file.names().len(), file.length());
        console.result(format_args!("{rows} rows of {length} numbers in {}", self.output.display()));
        console.record(&json!({
            "event": "done", "rows": rows, "length": length, "about": about,
            "file": self.output.display().to_string(),
        }));
        Ok(ExitStatus::from_failures(failed))
    }
}
