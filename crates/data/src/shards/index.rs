//! The number of samples of each shard, as WIDS keeps it beside shards.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs, io,
    path::Path,
};

use serde::Deserialize;

use crate::DataError;

/// The name of the index file.
pub(super) const FILE: &str = "index.json";

/// Bytes of a member's header: no sample takes less.
const HEADER: u64 = 512;

/// The counts of shards, by their files' names.
#[derive(Default)]
pub(super) struct Index(BTreeMap<String, Counts>);

/// The counts of one shard.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Counts {
    nsamples: usize,
    filesize: Option<u64>,
}

#[derive(Deserialize)]
struct File {
    shardlist: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    /// A path or an address, which ends in the file's name.
    url: String,
    #[serde(flatten)]
    counts: Counts,
}

impl Index {
    /// Reads a file; empty where there is none.
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let fail = |reason: String| DataError::Shard {
            path: path.to_owned(),
            reason: format!("{reason}; make the index anew or remove it"),
        };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(DataError::Io { path: path.to_owned(), source }),
        };
        let file: File = serde_json::from_slice(&text)
            .map_err(|error| fail(format!("it is no index of shards ({error})")))?;
        let mut index = BTreeMap::new();
        for Listed { url, counts } in file.shardlist {
            let name = url.rsplit('/').next().unwrap_or(&url).to_owned();
            match index.entry(name) {
                Entry::Vacant(entry) => _ = entry.insert(counts),
                Entry::Occupied(entry) if *entry.get() == counts => {}
                Entry::Occupied(entry) => {
                    return Err(fail(format!("it gives two different counts for {}", entry.key())));
                }
            }
        }
        Ok(Self(index))
    }

    /// The names of all shards.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// The counts of a shard. That a shard is empty is not believed, since then it would never be opened.
    pub(super) fn get(&self, name: &str) -> Option<Counts> {
        self.0.get(name).copied().filter(|counts| counts.nsamples > 0)
    }
}

impl Counts {
    /// How many samples a file of so many bytes has, or why the counts cannot be right.
    pub(super) fn samples(self, bytes: u64) -> Result<usize, String> {
        let Self { nsamples, filesize } = self;
        if let Some(filesize) = filesize.filter(|&filesize| filesize != bytes) {
            return Err(format!(
                "it has {bytes} bytes and {FILE} says {filesize}; make the index anew or remove it"
            ));
        }
        if nsamples as u64 > bytes / HEADER {
            return Err(format!(
                "its {bytes} bytes cannot hold the {nsamples} samples of {FILE}; make the index anew or remove it"
            ));
        }
        Ok(nsamples)
    }
}
