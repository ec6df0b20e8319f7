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
    /// None is: the sample's key and why.
    Bad { key: Box<str>, reason: Box<str> },
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
            Self::Bad { key, .. } => key,
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Picture(member) => split(&member.name).map_or("", |(key, _)| key),
            Self::Bad { key, .. } => key,
        }
    }

    /// Whether another picture of the same sample is rather meant.
    fn gives_way_to(&self, ending: &str) -> bool {
        match self {
            Self::Picture(member) => {
                split(&member.name).is_some_and(|(_, own)| own.contains('.')) && !ending.contains('.')
            }
            Self::Bad { .. } => true,
        }
    }
}

/// Reads the headers of a tar file, and the first bytes of each member.
pub(super) fn list(file: impl Read + Seek) -> io::Result<Listing> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(HEADER_AND_HEAD, file));
    let mut samples = Listing::new();
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((key, ending)) = split(&name) else { continue };
        let continued = samples.last().is_some_and(|last| last.key() == key);
        if continued && !samples.last().is_some_and(|last| last.gives_way_to(ending)) {
            continue;
        }
        let (offset, size) = (entry.raw_file_position(), entry.size());
        let mut head = Vec::with_capacity(sniff::HEAD);
        (&mut entry).take(sniff::HEAD as u64).read_to_end(&mut head)?;
        match sniff::readable(&head) {
            Ok(_) => {
                let member = Member { name: name.as_str().into(), offset, size };
                if continued {
                    samples.pop();
                }
                samples.push(Sample::Picture(member));
            }
            Err(_) if continued => {}
            Err(_) => {
                let reason = "none of the sample's members is a JPEG, PNG, WebP, BMP or TIFF".into();
                samples.push(Sample::Bad { key: key.into(), reason });
            }
        }
    }
    Ok(samples)
}

/// Bytes read at a time: what a member takes to be listed, a header and the first bytes of its content.
const HEADER_AND_HEAD: usize = 1024;

/// A member's name as key and ending, at the first dot of its last part; `None` for names without either, and for
/// those that WebDataset keeps for itself, `__NAME__` and what is in a folder called so.
fn split(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    let first = name.split('/').next().unwrap_or(name);
    let kept = first.len() > 4 && first.starts_with("__") && first.ends_with("__");
    (dot > file && !kept).then_some((&name[..dot], &name[dot + 1..]))
}
