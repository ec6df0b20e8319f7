//! VOC's image sets: which images belong to a set, and which classes they show.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::TransferError;

/// Whether an image shows a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// It does.
    Positive,
    /// It does not.
    Negative,
    /// Only in objects that are marked as difficult, which count neither way.
    Difficult,
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

/// The names in `ImageSets/TASK/SET.txt`.
pub(super) fn names(root: &Path, set: &str, task: &str) -> Result<Vec<String>, TransferError> {
    let path = root.join("ImageSets").join(task).join(format!("{set}.txt"));
    let names: Vec<String> =
        lines(&path)?.iter().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    if names.is_empty() {
        return Err(TransferError::malformed(&path, "it names no image"));
    }
    Ok(names)
}

pub(super) fn labels(root: &Path, set: &str, classes: &[String]) -> Result<Vec<Vec<Label>>, TransferError> {
    let names = names(root, set, "Main")?;
    let columns: Vec<Vec<Label>> =
        classes.iter().map(|class| labels_of_class(root, set, class, &names)).collect::<Result<_, _>>()?;
    Ok((0..names.len()).map(|image| columns.iter().map(|column| column[image]).collect()).collect())
}

/// One class's label of each of the named images.
fn labels_of_class(
    root: &Path,
    set: &str,
    class: &str,
    names: &[String],
) -> Result<Vec<Label>, TransferError> {
    let path = root.join("ImageSets/Main").join(format!("{class}_{set}.txt"));
    let malformed = |reason: String| TransferError::malformed(&path, reason);
    let lines = lines(&path)?;
    let mut labels = BTreeMap::new();
    for line in &lines {
        let mut words = line.split_whitespace();
        let label = |word| match word {
            "1" => Some(Label::Positive),
            "-1" => Some(Label::Negative),
            "0" => Some(Label::Difficult),
            _ => None,
        };
        match (words.next(), words.next().and_then(label)) {
            (Some(name), Some(label)) => labels.insert(name, label),
            _ => return Err(malformed(format!("`{line}` is not a name and 1, 0 or -1"))),
        };
    }
    let find = |name: &String| {
        let unknown = || malformed(format!("it does not say whether {name} has one"));
        labels.get(name.as_str()).copied().ok_or_else(unknown)
    };
    names.iter().map(find).collect()
}

fn lines(path: &Path) -> Result<Vec<String>, TransferError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(TransferError::Missing {
            path: path.to_owned(),
            advice: "the sets are named after such files: usually train, val, trainval and test (VOC 2007's test set \
                     is in an archive of its own)"
                .to_owned(),
        }),
        Err(error) => Err(TransferError::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_by_name_and_not_by_line() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path();
        let main = root.join("ImageSets/Main");
        fs::create_dir_all(&main).expect("made");
        let write = |file: &str, text: &str| fs::write(main.join(file), text).expect("written");
        write("val.txt", "000002\n000001\n\n");
        write("cat_val.txt", "000001  1\n000002 -1\n");
        write("tv_set_val.txt", "000001  0\n000002  1\n");
        let classes = classes(root);
        assert_eq!(classes, ["cat", "tv_set"]);
        let found = labels(root, "val", &classes).expect("read");
        assert_eq!(found, [[Label::Negative, Label::Positive], [Label::Positive, Label::Difficult]]);
        write("cat_val.txt", "000001 yes\n");
        let error = labels(root, "val", &classes).expect_err("`yes`").to_string();
        assert!(error.contains("cat_val.txt") && error.contains("000001 yes"), "{error}");
        write("cat_val.txt", "000001 1\n");
        let error = labels(root, "val", &classes).expect_err("one is missing").to_string();
        assert!(error.contains("whether 000002"), "{error}");
    }
}
