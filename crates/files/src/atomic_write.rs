//! Atomic writes: after a crash a file is there as a whole, or as it was before.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the names of temporary files end in.
const SUFFIX: &str = ".context-encoder.part";

/// Writes a file under a hidden temporary name in the same folder, syncs it to the disk, and renames it.
///
/// A program that is killed in between leaves the hidden file; [`is_leftover`] knows it by its name.
///
/// # Errors
/// Those of the system; the file is then as it was and no temporary file stays.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path);
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The write's own error is the one to report, also when the temporary file cannot be removed.
        let _ = fs::remove_file(&temporary);
    })
}

/// The last half of [`atomic_write`] for a file that was written elsewhere in the same folder, such as one
/// too large for the memory: syncs `temporary` to the disk and renames it to `path`.
///
/// # Errors
/// Those of the system; `temporary` then stays.
pub fn persist(temporary: &Path, path: &Path) -> io::Result<()> {
    // Opened for writing, because Windows syncs no read-only handle.
    File::options().write(true).open(temporary)?.sync_all()?;
    rename(temporary, path)
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
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    name.starts_with('.') && name.ends_with(SUFFIX)
}

/// Renames, and syncs the folder, so that the new name survives a power failure too.
fn rename(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::rename(temporary, path)?;
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The file is complete by now. Some file systems cannot sync folders, and some folders may not be
        // read.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// A name in the same folder that no other writer uses.
fn temporary_name(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{write}{SUFFIX}", process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_no_temporary_file_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.bin");
        for content in [&b"first"[..], b"second"] {
            atomic_write(&path, content).expect("written");
            assert_eq!(fs::read(&path).expect("there"), content);
        }
        fs::write(folder.path().join("b.bin"), "third").expect("written");
        persist(&folder.path().join("b.bin"), &path).expect("renamed");
        assert_eq!(fs::read(&path).expect("there"), b"third");
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1);
        fs::create_dir(folder.path().join("taken")).expect("created");
        fs::write(folder.path().join("taken/full"), "").expect("written");
        atomic_write(&folder.path().join("taken"), b"x").expect_err("a folder is in the way");
        atomic_write(&folder.path().join("absent/a.bin"), b"x").expect_err("no such folder");
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 2);
    }

    /// They are removed from users' folders, so nothing else may look like one.
    #[test]
    fn leftovers_are_known_and_other_files_are_not() {
        assert!(is_leftover(".a.png.47.0.context-encoder.part".as_ref()));
        for name in ["a.png.part", ".mask.png.47.11.tmp", ".a.part", "a.context-encoder.part"] {
            assert!(!is_leftover(name.as_ref()), "{name}");
        }
    }
}
