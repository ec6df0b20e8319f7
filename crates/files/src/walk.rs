//! The files below a folder.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

/// The files in a folder and its subfolders, in the order of their names, without hidden files and
/// folders. What cannot be read is given as its path and the error.
///
/// Links are followed, but no folder is listed twice: a link to a folder that holds it, to one that is listed
/// anyway, or to one where an earlier link led is passed over.
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
pub fn walk(root: impl AsRef<Path>) -> impl Iterator<Item = Found> {
    let from = root.as_ref().to_owned();
    let top = from.canonicalize().unwrap_or_else(|_| from.clone());
    let mut linked = BTreeSet::new();
    files(root.as_ref().to_owned(), move |folder| {
        // Behind a link every folder is somewhere else than its path says.
        let place = folder.strip_prefix(&from).map(|below| top.join(below));
        match (folder.canonicalize(), place) {
            (Ok(target), Ok(place)) if target != place => {
                let below = target.strip_prefix(&top).ok();
                let is_listed_there = below.is_some_and(|below| !below.iter().any(is_hidden));
                !is_listed_there && linked.insert(target)
            }
            _ => true,
        }
    })
}

/// As [`walk`], but a folder to which several links lead is listed under each of their names: for files that
/// are found by their names.
pub fn walk_every_name(root: impl AsRef<Path>) -> impl Iterator<Item = Found> {
    files(root.as_ref().to_owned(), |_| true)
}

/// A file, or what cannot be read and why.
pub type Found = Result<PathBuf, (PathBuf, io::Error)>;

/// Files in those folders below `root` that are wanted; no link is followed round in a circle.
fn files(root: PathBuf, mut is_wanted: impl FnMut(&Path) -> bool) -> impl Iterator<Item = Found> {
    let is_listed = move |entry: &DirEntry| {
        entry.depth() == 0
            || (!is_hidden(entry.file_name()) && (!entry.file_type().is_dir() || is_wanted(entry.path())))
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

fn is_hidden(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
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
        fs::create_dir_all(root.join(".store/photos")).expect("made");
        fs::write(root.join(".store/photos/4"), []).expect("written");
        symlink(root.join(".store/photos"), root.join("photos")).expect("link");
        symlink(root.join("2"), root.join("d")).expect("link");
        symlink(root.join("gone"), root.join("e")).expect("link");
        let (found, failed): (Vec<_>, Vec<_>) = walk(&root).partition(Result::is_ok);
        let found: Vec<PathBuf> = found.into_iter().flatten().collect();
        assert_eq!(found, ["2", "a/1", "b/3", "d", "photos/4"].map(|name| root.join(name)));
        let failed: Vec<PathBuf> = failed.into_iter().filter_map(Result::err).map(|(path, _)| path).collect();
        assert_eq!(failed, [root.join("e")]);
        let by_name: Vec<PathBuf> = walk_every_name(&root).flatten().collect();
        for name in ["a/1", "again/1", "b/3", "c/3"] {
            assert!(by_name.contains(&root.join(name)), "{name}: {by_name:?}");
        }
    }
}
