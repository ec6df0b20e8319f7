//! Atomic writes: after a crash a file is there as a whole, or as it was before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the names of temporary files end in.
const SUFFIX: &str = ".context-encoder.part";

/// Writes a file under a hidden temporary name in the same folder, syncs it to the disk, and renames it.
///
/// What a symbolic link points to is written, and the link stays; a device or a pipe (`/dev/stdout`) is
/// written to and not replaced. A new file has the mode that the system gives new files, a replaced one keeps
/// its mode.
///
/// A program that is killed in between leaves the hidden file; [`is_leftover`] knows it by its name.
///
/// # Errors
/// Those of the system; the file is then as it was and no temporary file stays.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_stream(path) {
        return File::options().append(true).open(path)?.write_all(bytes);
    }
    let path = &link_target(path)?;
    let (temporary, mut file) = temporary_file(path)?;
    let write = || {
        file.write_all(bytes)?;
        if let Ok(replaced) = fs::metadata(path) {
            file.set_permissions(replaced.permissions())?;
        }
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

/// Whether a path is a device, a pipe or an open file of this process (`/dev/stdout`), which is written to
/// and not replaced.
fn is_stream(path: &Path) -> bool {
    let open_files = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
    open_files.iter().any(|open| path.starts_with(open))
        || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// What a symbolic link points to at last, there or not; any other path as it is.
fn link_target(path: &Path) -> io::Result<PathBuf> {
    const MOST_LINKS: usize = 40; // as many as Linux follows
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.with_file_name("").join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

/// A new file in the same folder, and its name. Of a long name that has the beginning only: file systems end
/// names at 255 bytes.
fn temporary_file(path: &Path) -> io::Result<(PathBuf, File)> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    const LONGEST: usize = 180;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = &name[..name.floor_char_boundary(LONGEST)];
    loop {
        let write = WRITES.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!(".{name}.{}.{write}{SUFFIX}", process::id()));
        match File::create_new(&temporary) {
            // In another container a program may have the same number; one that was killed has left its file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (temporary, file)),
        }
    }
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

    #[test]
    fn names_of_255_bytes_are_written() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["a".repeat(255), "é".repeat(127)] {
            atomic_write(&folder.path().join(&name), b"x").expect("written");
            assert!(folder.path().join(&name).is_file());
        }
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 2);
    }

    #[test]
    #[cfg(unix)]
    fn links_and_devices_stay_and_new_files_have_the_mode_of_new_files() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

        let folder = tempfile::tempdir().expect("folder");
        let [link, target, dangling] = ["link", "target", "dangling"].map(|name| folder.path().join(name));
        fs::write(&target, "old").expect("written");
        symlink(&target, &link).expect("linked");
        symlink("absent", folder.path().join("between")).expect("linked");
        symlink("between", &dangling).expect("linked");
        for path in [&link, &dangling] {
            atomic_write(path, b"new").expect("written");
            assert!(fs::symlink_metadata(path).expect("there").is_symlink());
        }
        assert_eq!(fs::read(&target).expect("there"), b"new");
        assert_eq!(fs::read(folder.path().join("absent")).expect("there"), b"new");

        atomic_write(Path::new("/dev/null"), b"x").expect("written");
        assert!(fs::metadata("/dev/null").expect("there").file_type().is_char_device());

        fs::write(folder.path().join("other"), "").expect("written");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("changed");
        atomic_write(&target, b"newer").expect("written");
        assert_eq!(fs::metadata(&target).expect("there").permissions().mode() & 0o777, 0o600);

        let circle = folder.path().join("circle");
        symlink("circle", &circle).expect("linked");
        atomic_write(&circle, b"x").expect_err("it leads nowhere");

        let mode = |name| fs::metadata(folder.path().join(name)).expect("there").permissions().mode();
        assert_eq!(mode("absent"), mode("other"));
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
