//! What one tar file holds.

use std::io::{self, BufReader, Read, Seek};

use crate::sniff;

/// A shard's samples, in the order in which they lie in it.
pub(super) type Listing = Vec<Sample>;

/// Members with the same key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// The one that is a picture.
    Picture(Member),
    /// None is.
    Bad { key: Box<str> },
}

/// A file in a tar file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    name: Box<str>,
    /// Where its content begins, bytes from the start of the tar file.
    pub(super) offset: u64,
    /// Bytes of its content.
    pub(super) size: u64,
}

impl Sample {
    /// What to call it below its shard's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Picture(member) => &member.name,
            Self::Bad { key } => key,
        }
    }
}

/// Bytes in which tar counts.
const BLOCK: u64 = 512;

/// Bytes read at a time: what a member takes to be listed, a header and the first bytes of its content.
const HEADER_AND_HEAD: usize = 1024;

/// Reads the headers of a tar file of so many bytes, and the first bytes of each member.
pub(super) fn list(file: impl Read + Seek, bytes: u64) -> io::Result<Listing> {
    let cut_off = |after: &str| {
        let message = format!("it was cut off {after}");
        io::Error::new(io::ErrorKind::UnexpectedEof, message)
    };
    if bytes == 0 {
        return Err(cut_off("before its beginning"));
    }
    let mut archive = tar::Archive::new(BufReader::with_capacity(HEADER_AND_HEAD, file));
    let mut samples = Listing::new();
    let mut end = 0;
    // Of the last sample: its key, and whether its picture has a single ending.
    let (mut last, mut settled) = (None, false);
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = text(&entry.path_bytes());
        let (offset, size) = (entry.raw_file_position(), entry.size());
        end = offset.saturating_add(size);
        if end > bytes {
            return Err(cut_off(&format!("within {name}")));
        }
        let Some((key, ending)) = split(&name) else { continue };
        let continued = last.as_deref() == Some(key);
        if continued && settled {
            continue;
        }
        let mut head = Vec::with_capacity(sniff::HEAD);
        (&mut entry).take(sniff::HEAD as u64).read_to_end(&mut head)?;
        let picture = sniff::readable(&head).is_ok();
        let single = !ending.contains('.');
        if !continued {
            last = Some(key.to_owned());
            settled = false;
            samples.push(Sample::Bad { key: without_controls(key).into() });
        }
        if let Some(sample) = samples.last_mut()
            && picture
            && (single || matches!(sample, Sample::Bad { .. }))
        {
            *sample = Sample::Picture(Member { name: without_controls(&name).into(), offset, size });
            settled = single;
        }
    }
    // A tar file ends in blocks of zeros; without one, more was to come.
    if end.next_multiple_of(BLOCK) + BLOCK > bytes {
        return Err(cut_off("between two members"));
    }
    Ok(samples)
}

/// A member's name: bytes that are no text are written so that two names stay two.
fn text(name: &[u8]) -> String {
    std::str::from_utf8(name).map_or_else(|_| name.escape_ascii().to_string(), str::to_owned)
}

/// Text that can be shown: no line breaks, nothing that a terminal obeys.
pub(super) fn without_controls(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A member's name as key and ending, at the first dot of its last part; `None` for names without either, and for
/// those that WebDataset keeps for itself, `__NAME__` and what is in a folder called so.
fn split(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    let first = name.split('/').next().unwrap_or(name);
    let kept = first.len() > 4 && first.starts_with("__") && first.ends_with("__");
    (dot > file && !kept).then_some((&name[..dot], &name[dot + 1..]))
}
