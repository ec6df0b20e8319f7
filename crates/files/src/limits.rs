//! How large a picture may be.

use std::path::Path;

use crate::PhotoError;

/// What a picture file may ask for, against files that unpack into far more than they show.
///
/// | field | default | purpose |
/// |---|---|---|
/// | `max_pixels` | 128 Mi | pixels of the picture: the largest cameras have 102 million |
/// | `max_bytes` | 2 GiB | the file, and what its decoder may allocate |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Width times height, at most.
    pub max_pixels: u64,
    /// Bytes of the file, and bytes that its decoder may allocate, at most.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 128 << 20, max_bytes: 2 << 30 }
    }
}

impl Limits {
    pub(crate) fn check_pixels(&self, path: &Path, (width, height): (u32, u32)) -> Result<(), PhotoError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            let max_megapixels = self.max_pixels / 1_000_000;
            return Err(PhotoError::TooLarge { path: path.to_owned(), width, height, max_megapixels });
        }
        Ok(())
    }

    pub(crate) fn for_decoder(&self) -> image::Limits {
        let mut limits = image::Limits::default();
        limits.max_alloc = Some(self.max_bytes);
        limits
    }
}
