//! What a folder of tar files, and one tar file, holds.

use std::{
    fs::{self, File},
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::left_out::LeftOut;
use crate::{
    DataError, Limits,
    decode::{self, HEAD},
};

/// The extensions of shards, and of files that cannot be shards.
const PLAIN: &str = ".tar";
const COMPRESSED: [&str; 5] = [".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"];

/// Name and path of the tar files right in a folder, compressed ones too, or of the one that `path` names.
pub(super) fn find(path: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let tar_file = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        is_named_as_tar(&path).then_some((name, path))
    };
    let missing = || DataError::FolderMissing { path: path.to_owned() };
    if path.is_file() {
        return tar_file(path.to_owned()).map(|file| vec![file]).ok_or_else(missing);
    }
    if !path.is_dir() {
        return Err(missing());
    }
    let fail = |source| DataError::Io { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        files.extend(tar_file(entry.map_err(fail)?.path()));
    }
    Ok(files)
}

/// Whether a file is named as tar files are, compressed ones too.
pub(crate) fn is_named_as_tar(path: &Path) -> bool {
    let name = lowercase_name(path);
    !name.starts_with('.') && (name.ends_with(PLAIN) || is_compressed(path))
}

/// Whether a file is named as compressed tar files are.
pub(super) fn is_compressed(path: &Path) -> bool {
    let name = lowercase_name(path);
    COMPRESSED.iter().any(|extension| name.ends_with(extension))
}

fn lowercase_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// What a shard holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the order in which they lie in it.
    pub(super) samples: Vec<PackedSample>,
    pub(super) left_out: LeftOut,
}

/// Members with the same key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PackedSample {
    /// The member that is an image.
    Image(Member),
    /// None is.
    NoImage { key: Box<str> },
}

/// A file in a tar file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    name: Box<str>,
    /// Where its content begins, bytes from the start of the tar file.
    offset: u64,
    /// Bytes of its content.
    size: u64,
}

impl PackedSample {
    /// Its name below its shard's.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Image(member) => &member.name,
            Self::NoImage { key } => key,
        }
    }
}

impl Member {
    /// Its content; `name` is its name in errors.
    pub(super) fn read(&self, shard: &Path, name: &Path, limits: &Limits) -> Result<Vec<u8>, DataError> {
        let (bytes, max_bytes) = (self.size, limits.max_bytes);
        if bytes > max_bytes {
            return Err(DataError::TooMuchMemory { path: name.to_owned(), bytes, max_bytes });
        }
        let mut content = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        let read = |content: &mut [u8]| -> io::Result<()> {
            let mut file = File::open(shard)?;
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_exact(content)
        };
        read(&mut content).map_err(|source| DataError::Io { path: name.to_owned(), source })?;
        Ok(content)
    }
}

/// Lists a shard.
pub(super) fn list(path: &Path) -> Result<Listing, DataError> {
    let fail = |source| DataError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    list_members(file, bytes).map_err(|error| {
        if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::Other) {
            return fail(error);
        }
        let reason = format!("{}; copy or download it again", without_controls(&error.to_string()));
        DataError::Shard { path: path.to_owned(), reason }
    })
}

/// Tar files are made of blocks of so many bytes.
const BLOCK: u64 = 512;

/// Bytes read at a time: what listing a member takes, a header and the first bytes of its content.
const HEADER_AND_HEAD: usize = 1024;

/// Reads the headers of a tar file of so many bytes, and the first bytes of each member.
fn list_members(file: impl Read + Seek, bytes: u64) -> io::Result<Listing> {
    let cut_off = |after: &str| {
        let message = format!("it was cut off {after}");
        io::Error::new(ErrorKind::UnexpectedEof, message)
    };
    if bytes == 0 {
        return Err(cut_off("before its beginning"));
    }
    let mut archive = tar::Archive::new(BufReader::with_capacity(HEADER_AND_HEAD, file));
    let Listing { mut samples, mut left_out } = Listing::default();
    let mut end = 0;
    // Of the last sample: its key, and whether its image has a single extension.
    let (mut last, mut settled) = (None, false);
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        let (kind, name) = (entry.header().entry_type(), text(&entry.path_bytes()));
        if !kind.is_file() {
            if !kind.is_dir() {
                left_out.special.add(|| without_controls(&name));
            }
            continue;
        }
        let (offset, size) = (entry.raw_file_position(), entry.size());
        end = offset.saturating_add(size);
        if end > bytes {
            return Err(cut_off(&format!("within {name}")));
        }
        let Some((key, extension)) = split(&name) else { continue };
        let continued = last.as_deref() == Some(key);
        let mut head = Vec::with_capacity(HEAD);
        (&mut entry).take(HEAD as u64).read_to_end(&mut head)?;
        let image = decode::readable(&head).is_ok();
        let single = !extension.contains('.');
        if !continued {
            last = Some(key.to_owned());
            settled = false;
            samples.push(PackedSample::NoImage { key: without_controls(key).into() });
        }
        let Some(sample) = samples.last_mut().filter(|_| image) else { continue };
        let is_first = matches!(sample, PackedSample::NoImage { .. });
        if is_first || (single && !settled) {
            if !is_first {
                left_out.further_images.add(|| sample.name().to_owned());
            }
            *sample = PackedSample::Image(Member { name: without_controls(&name).into(), offset, size });
            settled = single;
        } else {
            left_out.further_images.add(|| without_controls(&name));
        }
    }
    // A tar file ends in blocks of zeros; without one, more was to come.
    if end.next_multiple_of(BLOCK) + BLOCK > bytes {
        return Err(cut_off("between two members"));
    }
    list_behind_the_end(archive.into_inner(), end.next_multiple_of(BLOCK), &mut left_out)?;
    Ok(Listing { samples, left_out })
}

/// Blocks of zeros behind an archive's end that are looked through for another archive: twenty are usual.
const PADDING: u64 = 2048;

/// Counts the files of archives that were appended to the one that ends at an offset. Readers stop at its
/// end, so they belong to no sample.
fn list_behind_the_end(mut file: impl Read + Seek, end: u64, left_out: &mut LeftOut) -> io::Result<()> {
    file.seek(SeekFrom::Start(end))?;
    let mut block = [0; BLOCK as usize];
    for _ in 0..PADDING {
        match file.read_exact(&mut block) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        if block.iter().any(|&byte| byte != 0) {
            file.seek(SeekFrom::Current(-(BLOCK as i64)))?;
            let mut archive = tar::Archive::new(file);
            archive.set_ignore_zeros(true);
            // What is no archive is as little used, and no error where the first one is whole. Without
            // seeking, which counts from the file's beginning.
            for entry in archive.entries()?.map_while(Result::ok) {
                left_out.behind_the_end.add(|| without_controls(&text(&entry.path_bytes())));
            }
            return Ok(());
        }
    }
    Ok(())
}

/// A member's name; bytes that are not UTF-8 are escaped, so that different names stay different.
fn text(name: &[u8]) -> String {
    std::str::from_utf8(name).map_or_else(|_| name.escape_ascii().to_string(), str::to_owned)
}

/// Text that can be shown: without line breaks and terminal escapes.
fn without_controls(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A member's name as key and extension, at the first dot of its last part; `None` for names without either,
/// and for those that WebDataset reserves, `__NAME__` and what is in a folder called so.
fn split(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    let first = name.split('/').next().unwrap_or(name);
    let reserved = first.len() > 4 && first.starts_with("__") && first.ends_with("__");
    (dot > file && !reserved).then_some((&name[..dot], &name[dot + 1..]))
}
