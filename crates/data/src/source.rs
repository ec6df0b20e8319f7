//! Where pictures come from.

use image::RgbImage;

use crate::DataError;

/// Pictures by number: a folder, generated facades, or whatever else can answer for a number with a picture.
///
/// A source is asked from several threads at once, in any order, and possibly twice for the same picture. The
/// answer must depend on `epoch` and `index` alone; then so does everything that is built on it.
pub trait PictureSource: Send + Sync {
    /// How many pictures an epoch has.
    fn len(&self) -> usize;

    /// Picture `index` of an epoch, as 8-bit RGB of any size. Files are the same in every epoch.
    ///
    /// # Errors
    /// Why this picture cannot be had. Other pictures may well be fine.
    ///
    /// # Panics
    /// May panic when `index` is not below [`len`](Self::len).
    fn picture(&self, epoch: u64, index: usize) -> Result<RgbImage, DataError>;

    /// Whether picture `index` is the same in every epoch, as files are, so that a loader may keep it in memory.
    /// Unless a source says so, it is asked anew each time.
    fn same_every_epoch(&self) -> bool {
        false
    }

    /// The number of the first picture of each shard, ascending, where pictures lie together in shards and are
    /// had faster one shard after the other: a shuffled [`Order`](crate::Order) then keeps shards together. Empty
    /// where no order is better than another.
    fn shards(&self) -> &[usize] {
        &[]
    }

    /// A number that changes when the pictures do, as far as their names and their count tell.
    fn fingerprint(&self) -> u64 {
        fingerprint((0..self.len()).map(|index| self.name(index)))
    }

    /// What to call picture `index` in reports.
    ///
    /// # Panics
    /// May panic when `index` is not below [`len`](Self::len).
    fn name(&self, index: usize) -> String;

    /// Whether there is no picture at all.
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
