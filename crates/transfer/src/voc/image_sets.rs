//! Which pictures belong to which part of the data, and what they show.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{TransferError, metric::Relevance};

/// The sets of pictures of one year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Classification and detection.
    Main,
    /// Segmentation.
    Segmentation,
}

impl Task {
    fn folder(self) -> &'static str {
        match self {
            Self::Main => "Main",
            Self::Segmentation => "Segmentation",
        }
    }
}

/// Whether a picture shows a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// It does.
    Present,
    /// It does not.
    Absent,
    /// Only objects that are marked as difficult.
    Difficult,
}

impl From<Label> for Relevance {
    fn from(label: Label) -> Self {
        match label {
            Label::Present => Self::Positive,
            Label::Absent => Self::Negative,
            Label::Difficult => Self::Difficult,
        }
    }
}

/// Sets whose per-class files tell which classes there are.
const SETS: [&str; 4] = ["trainval", "train", "val", "test"];

/// The classes that have files of their own, `cat_train.txt`, in alphabetical order.
pub(super) fn classes(root: &Path) -> Vec<String> {
    let Ok(folder) = fs::read_dir(root.join("ImageSets/Main")) else { return Vec::new() };
    let class = |file: &str| {
        let (class, set) = file.strip_suffix(".txt")?.rsplit_once('_')?;
        SETS.contains(&set).then(|| class.to_owned())
    };
    let files = folder.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let classes: BTreeSet<String> = files.filter_map(|file| class(&file)).collect();
    classes.into_iter().collect()
}

pub(super) fn names(root: &Path, set: &str, task: Task) -> Result<Vec<String>, TransferError> {
    let path = root.join("ImageSets").join(task.folder()).join(format!("{set}.txt"));
    let names: Vec<String> =
        lines(&path)?.iter().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    if names.is_empty() {
        return Err(TransferError::malformed(&path, "it names no picture"));
    }
    Ok(names)
}

pub(super) fn labels(root: &Path, set: &str, classes: &[String]) -> Result<Vec<Vec<Label>>, TransferError> {
    let names = names(root, set, Task::Main)?;
    let columns =
        classes.iter().map(|class| column(root, set, class, &names)).collect::<Result<Vec<_>, _>>()?;
    Ok((0..names.len()).map(|picture| columns.iter().map(|column| column[picture]).collect()).collect())
}

/// One class's label in each of the named pictures.
fn column(root: &Path, set: &str, class: &str, names: &[String]) -> Result<Vec<Label>, TransferError> {
    let path = root.join("ImageSets/Main").join(format!("{class}_{set}.txt"));
    let lines = lines(&path)?;
    let mut known = BTreeMap::new();
    for line in &lines {
        let mut words = line.split_whitespace();
        let label = |word| match word {
            "1" => Some(Label::Present),
            "-1" => Some(Label::Absent),
            "0" => Some(Label::Difficult),
            _ => None,
        };
        match (words.next(), words.next().and_then(label)) {
            (Some(name), Some(label)) => known.insert(name, label),
            _ => {
                return Err(TransferError::malformed(
                    &path,
                    format!("`{line}` is not a name and 1, 0 or -1"),
                ));
            }
        };
    }
    let find = |name: &String| {
        let unknown = || TransferError::malformed(&path, format!("it does not say whether {name} has one"));
        known.get(name.as_str()).copied().ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

fn lines(path: &Path) -> Result<Vec<String>, TransferError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(TransferError::Missing {
            path: path.to_owned(),
            advice:
                "the sets are named after such files: usually train, val, trainval and test (VOC 2007's test \
                     set is in an archive of its own)"
                    .to_owned(),
        }),
        Err(error) => Err(TransferError::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presences_are_read_by_name_and_not_by_line() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path();
        let main = root.join("ImageSets/Main");
        fs::create_dir_all(&main).expect("made");
        fs::write(main.join("val.txt"), "000002\n000001\n\n").expect("written");
        fs::write(main.join("cat_val.txt"), "000001  1\n000002 -1\n").expect("written");
        fs::write(main.join("tv_set_val.txt"), "000001  0\n000002  1\n").expect("written");
        let classes = classes(root);
        assert_eq!(classes, ["cat", "tv_set"]);
        use Label::{Absent, Difficult, Present};
        let found = labels(root, "val", &classes).expect("read");
        assert_eq!(found, [[Absent, Present], [Present, Difficult]]);
        fs::write(main.join("cat_val.txt"), "000001 yes\n").expect("written");
        let error = labels(root, "val", &classes).expect_err("no number").to_string();
        assert!(error.contains("cat_val.txt") && error.contains("000001 yes"), "{error}");
        fs::write(main.join("cat_val.txt"), "000001 1\n").expect("written");
        let error = labels(root, "val", &classes).expect_err("one is missing").to_string();
        assert!(error.contains("whether 000002"), "{error}");
    }
}
