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
