//! Where images come from.

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

    /// A number that changes when the images do, as far as their names and their count tell.
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
