//! Where images come from, and which of them were skipped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use image::RgbImage;

use crate::DataError;

/// Images by index: a folder, shards, drawn facades, or whatever else answers an index with an image.
///
/// A dataset is asked by several threads at once, in any order, possibly twice for the same image. The answer
/// must depend on `epoch` and `index` alone; then so does everything that is built on it.
pub trait ImageDataset: Send + Sync {
    /// How many images an epoch has.
    fn len(&self) -> usize;

    /// Image `index` of an epoch, as 8-bit RGB of any size.
    ///
    /// # Errors
    /// Why this image cannot be read. Others may well be fine.
    ///
    /// # Panics
    /// May panic when `index` is not below [`len`](Self::len).
    fn image(&self, epoch: u64, index: usize) -> Result<RgbImage, DataError>;

    /// Whether image `index` is the same in every epoch, as files are, so that a loader may keep it in
    /// memory.
    fn same_every_epoch(&self) -> bool {
        false
    }

    /// The index of the first image of each shard, ascending, where images are read faster one shard after
    /// the other: [`Sampler::Shuffled`](crate::Sampler::Shuffled) then keeps shards together. Empty where
    /// there are no shards.
    fn shard_starts(&self) -> &[usize] {
        &[]
    }

    /// A number that changes when the images do, as far as their names and their count show.
    fn fingerprint(&self) -> u64 {
        fingerprint((0..self.len()).map(|index| self.name(index)))
    }

    /// The name of image `index` in reports.
    ///
    /// # Panics
    /// May panic when `index` is not below [`len`](Self::len).
    fn name(&self, index: usize) -> String;

    /// Whether there is no image at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// FNV-1a over all names.
pub(crate) fn fingerprint(names: impl Iterator<Item = String>) -> u64 {
    names.fold(0xcbf2_9ce4_8422_2325, |hash, name| {
        let bytes = name.bytes().chain([0]);
        bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

/// An image that was skipped, and why; its `Display` is one line with path and reason.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// Its name in the dataset: for a [`Folder`](crate::Folder) the path below its root.
    pub name: String,
    /// Why it was skipped.
    pub error: Arc<DataError>,
}

impl Skipped {
    pub(crate) fn new(name: String, error: DataError) -> Self {
        Self { name, error: Arc::new(error) }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

type Listener = Box<dyn Fn(&Skipped) + Send + Sync>;

/// Collects skipped images from several threads and calls a listener for each the first time it is seen.
#[derive(Default)]
pub(crate) struct SkippedLog {
    by_index: Mutex<BTreeMap<usize, Skipped>>,
    listener: Option<Listener>,
}

impl SkippedLog {
    pub(crate) fn with_listener(listener: impl Fn(&Skipped) + Send + Sync + 'static) -> Self {
        Self { by_index: Mutex::default(), listener: Some(Box::new(listener)) }
    }

    /// Notes that image `index` was skipped; the second and later times for one index do nothing.
    pub(crate) fn add(&self, index: usize, skipped: &Skipped) {
        let mut by_index = self.by_index.lock().unwrap_or_else(PoisonError::into_inner);
        if by_index.contains_key(&index) {
            return;
        }
        by_index.insert(index, skipped.clone());
        drop(by_index); // the listener may take its time, or ask for the list
        if let Some(listener) = &self.listener {
            listener(skipped);
        }
    }

    /// All so far, in the order of the dataset.
    pub(crate) fn list(&self) -> Vec<Skipped> {
        let by_index = self.by_index.lock().unwrap_or_else(PoisonError::into_inner);
        by_index.values().cloned().collect()
    }
}
