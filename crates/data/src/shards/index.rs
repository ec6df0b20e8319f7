//! The counts that WIDS keeps beside shards.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::Deserialize;

use crate::DataError;

/// The index's name.
pub(super) const FILE: &str = "index.json";

/// The number of samples of a shard, by the shard's file name.
pub(super) type Counts = BTreeMap<String, usize>;

#[derive(Deserialize)]
struct Index {
    shardlist: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// A path or an address, which ends in the file's name.
    url: String,
    nsamples: usize,
}

/// What an index tells; nothing where there is none.
pub(super) fn read(path: &Path) -> Result<Counts, DataError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Counts::new()),
        Err(source) => return Err(DataError::Io { path: path.to_owned(), source }),
    };
    let index: Index = serde_json::from_slice(&text).map_err(|error| DataError::Shard {
        path: path.to_owned(),
        reason: format!("it is no index of shards ({error}); make it anew or remove it"),
    })?;
    let name = |url: &str| url.rsplit('/').next().unwrap_or(url).to_owned();
    Ok(index.shardlist.into_iter().map(|entry| (name(&entry.url), entry.nsamples)).collect())
}
