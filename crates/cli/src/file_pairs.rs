//! Input and output files of a command that processes images.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use context_encoder::data::{Folder, FolderOptions, ImageDataset};
use miette::{IntoDiagnostic, Result, miette};

/// The name of the standard output as a result's file.
pub const STANDARD_OUTPUT: &str = "-";

/// An image file and the file that its result is written to.
#[derive(Debug)]
pub struct FilePair {
    pub input: PathBuf,
    /// The input's path relative to the folder it was found in, or its file name.
    pub name: PathBuf,
    pub output: PathBuf,
    /// Whether the result keeps the input's format whatever its name: in folders, where names stay as they
    /// are, and on the standard output, which has none.
    pub keeps_format: bool,
}

/// All files of a command.
pub struct FilePairs {
    pub pairs: Vec<FilePair>,
    /// Files that claim to be images and are not, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
}

impl FilePairs {
    /// Files, and the images of folders, in order. A single file is written to `output` itself, unless that
    /// is a folder; everything else is written into the folder `output`. What lies there already is no input,
    /// also where `output` lies in a folder of inputs.
    pub fn list(inputs: &[PathBuf], output: &Path) -> Result<Self> {
        let ends_with_separator = output.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
        let into_folder = match inputs {
            [input] => input.is_dir() || output.is_dir() || ends_with_separator,
            _ => true,
        };
        if into_folder && output.is_file() {
            return Err(miette!(
                "{} is a file, but the results need a folder; name another",
                output.display()
            ));
        }
        let is_standard_output = output == Path::new(STANDARD_OUTPUT);
        if into_folder && is_standard_output {
            return Err(miette!("-o - is for a single photograph; name a folder for the results"));
        }
        let mut all = Self { pairs: Vec::new(), skipped: Vec::new() };
        for input in inputs {
            if input.is_dir() {
                all.add_folder(input, output)?;
            } else {
                let name = PathBuf::from(input.file_name().unwrap_or(input.as_os_str()));
                let output = if into_folder { output.join(&name) } else { output.to_owned() };
                let keeps_format = into_folder || is_standard_output;
                all.pairs.push(FilePair { input: input.clone(), name, output, keeps_format });
            }
        }
        all.check_outputs()?;
        Ok(all)
    }

    fn add_folder(&mut self, root: &Path, output: &Path) -> Result<()> {
        let folder = Folder::open(root, FolderOptions::default()).into_diagnostic()?;
        let results = output.canonicalize().ok().filter(|results| !is_same_file(results, root));
        let is_result = |file: &Path| {
            let inside = |results| file.canonicalize().is_ok_and(|file| file.starts_with(results));
            results.as_ref().is_some_and(inside)
        };
        for index in 0..folder.len() {
            let name = PathBuf::from(ImageDataset::name(&folder, index));
            let (input, output) = (folder.path(index).to_owned(), output.join(&name));
            if is_result(&input) {
                continue;
            }
            self.pairs.push(FilePair { input, name, output, keeps_format: true });
        }
        let skipped = folder.skipped().iter().map(|file| (root.join(&file.name), file.error.to_string()));
        self.skipped.extend(skipped.filter(|(file, _)| !is_result(file)));
        Ok(())
    }

    /// Takes masks, given by their canonical paths, out of the photographs: people keep both in one folder.
    /// No result may overwrite one.
    pub fn separate_masks(&mut self, masks: &BTreeSet<PathBuf>) -> Result<()> {
        let is_mask = |file: &Path| file.canonicalize().is_ok_and(|file| masks.contains(&file));
        let before = self.pairs.len();
        self.pairs.retain(|pair| !is_mask(&pair.input));
        self.skipped.retain(|(file, _)| !is_mask(file));
        if before > 0 && self.pairs.is_empty() {
            return Err(miette!(
                "there is no photograph beside the mask; name the photograph that it is for"
            ));
        }
        match self.pairs.iter().find(|pair| is_mask(&pair.output)) {
            Some(pair) => Err(miette!(
                "the result of {} would overwrite the mask {}; name another file or folder with -o",
                pair.input.display(),
                pair.output.display()
            )),
            None => Ok(()),
        }
    }

    /// No result may overwrite an input or another result.
    fn check_outputs(&self) -> Result<()> {
        let mut inputs: BTreeMap<&Path, &Path> = BTreeMap::new();
        for FilePair { input, output, .. } in &self.pairs {
            if is_same_file(input, output) {
                return Err(miette!(
                    "the result would overwrite {}; name another file or folder with -o",
                    input.display()
                ));
            }
            if let Some(first) = inputs.insert(output, input) {
                return Err(miette!(
                    "the results of {} and {} would both become {}; fill them with two commands, into two folders",
                    first.display(),
                    input.display(),
                    output.display()
                ));
            }
        }
        Ok(())
    }
}

/// Whether two paths name one existing file or folder.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
