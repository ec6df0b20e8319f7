//! The files below a folder.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

/// The files in a folder and its subfolders, in the order of their names, without hidden files and
/// folders. What cannot be read is given as its path and the error.
///
/// Links are followed, but no folder is listed twice: a link to a folder that holds it, to one below
/// `root`, or to one where an earlier link led is passed over.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # std::fs::create_dir(folder.path().join("a"))?;
/// # for name in ["b.png", "a/c.png", ".hidden"] { std::fs::write(folder.path().join(name), [])?; }
/// let files: Result<Vec<_>, _> = context_encoder_files::walk(folder.path()).collect();
/// let files = files.map_err(|(_, error)| error)?;
/// assert_eq!(files, ["a/c.png", "b.png"].map(|name| folder.path().join(name)));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn walk(root: impl AsRef<Path>) -> impl Iterator<Item = Result<PathBuf, (PathBuf, io::Error)>> {
    let root = root.as_ref().to_owned();
    let top = root.canonicalize().unwrap_or_else(|_| root.clone());
    let (from, mut linked) = (root.clone(), BTreeSet::new());
    let is_listed = move |entry: &DirEntry| {
        if entry.depth() == 0 {
            return true;
        }
        if entry.file_name().to_string_lossy().starts_with('.') {
            return false;
        }
        if !entry.file_type().is_dir() {
            return true;
        }
        // Behind a link every folder is somewhere else than its path says.
        let place = entry.path().strip_prefix(&from).map(|below| top.join(below));
        match (entry.path().canonicalize(), place) {
            (Ok(target), Ok(place)) if target != place => !target.starts_with(&top) && linked.insert(target),
            _ => true,
        }
    };
    let entries = WalkDir::new(&root).follow_links(true).sort_by_file_name();
    entries.into_iter().filter_entry(is_listed).filter_map(move |found| match found {
        Ok(entry) => entry.file_type().is_file().then(|| Ok(entry.into_path())),
        Err(error) if error.loop_ancestor().is_some() => None,
        Err(error) => {
            let path = error.path().unwrap_or(&root).to_owned();
            Some(Err((path, error.into())))
        }
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn no_folder_is_listed_twice() {
        let (folder, elsewhere) =
            (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a")).expect("made");
        for file in [root.join("a/1"), root.join("2"), elsewhere.path().join("3")] {
            fs::write(file, []).expect("written");
        }
        symlink(&root, root.join("a/circle")).expect("link");
        symlink(root.join("a"), root.join("again")).expect("link");
        symlink(elsewhere.path(), root.join("b")).expect("link");
        symlink(elsewhere.path(), root.join("c")).expect("link");
        symlink(folder.path(), root.join("above")).expect("link");
        symlink(root.join("2"), root.join("d")).expect("link");
        symlink(root.join("gone"), root.join("e")).expect("link");
        let (found, failed): (Vec<_>, Vec<_>) = walk(&root).partition(Result::is_ok);
        let found: Vec<PathBuf> = found.into_iter().flatten().collect();
        assert_eq!(found, ["2", "a/1", "b/3", "d"].map(|name| root.join(name)));
        let failed: Vec<PathBuf> = failed.into_iter().filter_map(Result::err).map(|(path, _)| path).collect();
        assert_eq!(failed, [root.join("e")]);
    }
}
