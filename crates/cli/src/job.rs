//! Which pictures are worked on, and where each result goes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use context_encoder::data::{Folder, FolderOptions, ImageDataset};
use miette::{IntoDiagnostic, Result, miette};

/// One picture to work on.
#[derive(Debug)]
pub struct Job {
    /// Its file.
    pub input: PathBuf,
    /// Its name relative to the folder it was found in, or its file's name.
    pub name: PathBuf,
    /// Where the result goes.
    pub output: PathBuf,
    /// Whether the result keeps the input's format whatever its name: in folders, where names are kept as they are.
    pub keeps_format: bool,
}

/// Every picture of a run, and files that looked like pictures and are none.
pub struct Jobs {
    pub jobs: Vec<Job>,
    /// File and reason of each.
    pub skipped: Vec<(PathBuf, String)>,
}

impl Jobs {
    /// Files, and the pictures of folders, in order. One file goes to `output` itself, unless that is a folder;
    /// everything else goes into `output` as a folder.
    pub fn list(inputs: &[PathBuf], output: &Path) -> Result<Self> {
        let into_folder = match inputs {
            [one] => one.is_dir() || output.is_dir() || ends_like_a_folder(output),
            _ => true,
        };
        if into_folder && output.is_file() {
            return Err(miette!(
                "{} is a file, and a folder is needed for the results; name another",
                output.display()
            ));
        }
        let mut all = Self { jobs: Vec::new(), skipped: Vec::new() };
        for input in inputs {
            if input.is_dir() {
                all.add_folder(input, output)?;
            } else {
                let name = PathBuf::from(input.file_name().unwrap_or(input.as_os_str()));
                let output = if into_folder { output.join(&name) } else { output.to_owned() };
                all.jobs.push(Job { input: input.clone(), name, output, keeps_format: into_folder });
            }
        }
        all.check_outputs()?;
        Ok(all)
    }

    fn add_folder(&mut self, root: &Path, output: &Path) -> Result<()> {
        let folder = Folder::open(root, FolderOptions::default()).into_diagnostic()?;
        for index in 0..folder.len() {
            let name = PathBuf::from(ImageDataset::name(&folder, index));
            let (input, output) = (folder.path(index).to_owned(), output.join(&name));
            self.jobs.push(Job { input, name, output, keeps_format: true });
        }
        let refused = folder.skipped().iter();
        self.skipped.extend(refused.map(|refused| (root.join(&refused.name), refused.error.to_string())));
        Ok(())
    }

    /// No result may overwrite an input or another result.
    fn check_outputs(&self) -> Result<()> {
        let mut taken: BTreeMap<&Path, &Path> = BTreeMap::new();
        for Job { input, output, .. } in &self.jobs {
            if same_file(input, output) {
                return Err(miette!(
                    "the result would overwrite {}; name another file or folder with -o",
                    input.display()
                ));
            }
            if let Some(first) = taken.insert(output, input) {
                return Err(miette!(
                    "{} and {} would both become {}; fill them in two runs, into two folders",
                    first.display(),
                    input.display(),
                    output.display()
                ));
            }
        }
        Ok(())
    }
}

fn ends_like_a_folder(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().ends_with(std::path::is_separator)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
