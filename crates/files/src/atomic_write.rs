//! Writing aside, then renaming: a file is there as a whole, or as it was before.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the names of files that are being written end in.
const ENDING: &str = ".context-encoder.part";

/// Writes a file beside its place, as a hidden file, and renames it when it is complete.
///
/// A program that is killed in between leaves the hidden file; [`is_leftover`] knows it by its name.
///
/// # Errors
/// Those of the system; nothing is left behind then.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    let write = || {
        let mut file = fs::File::create_new(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&aside, path)
    };
    write().inspect_err(|_| {
        // The write's own error is the one to tell; a leftover that cannot be removed adds nothing to it.
        let _ = fs::remove_file(&aside);
    })
}

/// Whether a file is what a killed program left of [`atomic_write`]. Such a file may be removed when no other
/// program is writing in its folder.
///
/// ```
/// use context_encoder_files::is_leftover;
/// assert!(is_leftover(".a.png.4711.0.context-encoder.part".as_ref()));
/// assert!(!is_leftover("a.png".as_ref()));
/// ```
pub fn is_leftover(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with('.') && name.ends_with(ENDING))
}

/// A name in the same folder that no other writer uses.
fn aside(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{write}{ENDING}", process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_stays_aside() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.bin");
        for content in [&b"first"[..], b"second"] {
            atomic_write(&path, content).expect("written");
            assert_eq!(fs::read(&path).expect("there"), content);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1);
        fs::create_dir(folder.path().join("taken")).expect("created");
        fs::write(folder.path().join("taken/full"), "").expect("written");
        atomic_write(&folder.path().join("taken"), b"x").expect_err("a folder is in the way");
        atomic_write(&folder.path().join("absent/a.bin"), b"x").expect_err("no such folder");
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 2);
    }
}
