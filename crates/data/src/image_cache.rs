//! Decoded images kept in memory from epoch to epoch, up to a limit.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use image::RgbImage;

use crate::DataError;

/// Keeps the images that come first until the memory is full, and then never replaces them.
///
/// An epoch asks for each image once, so any fixed part of the set serves its share of every epoch. Evicting
/// the least recently used image, as caches mostly do, serves less: in a fixed order nothing at all, because
/// all others are asked for before one comes again.
#[derive(Debug)]
pub(crate) struct ImageCache {
    slots: Vec<OnceLock<RgbImage>>,
    limit: u64,
    bytes: AtomicU64,
}

/// The decoded images that a loader holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// How many.
    pub images: usize,
    /// How many bytes their pixels take.
    pub bytes: u64,
}

impl ImageCache {
    /// An empty cache for images `0..images` with at most `limit` bytes of pixels.
    pub(crate) fn new(images: usize, limit: u64) -> Self {
        let slots = if limit == 0 { 0 } else { images };
        Self { slots: (0..slots).map(|_| OnceLock::new()).collect(), limit, bytes: AtomicU64::new(0) }
    }

    /// Image `index`: the cached one, or else what `make` gives, which is cached if there is room. An error
    /// is not.
    ///
    /// Threads that ask for the same image at once may each make it; one of the results is cached.
    pub(crate) fn get_or(
        &self,
        index: usize,
        make: impl FnOnce() -> Result<RgbImage, DataError>,
    ) -> Result<Cow<'_, RgbImage>, DataError> {
        let Some(slot) = self.slots.get(index) else { return make().map(Cow::Owned) };
        if let Some(cached) = slot.get() {
            return Ok(Cow::Borrowed(cached));
        }
        let made = make()?;
        let bytes = made.as_raw().capacity() as u64;
        if !self.reserve(bytes) {
            return Ok(Cow::Owned(made));
        }
        if let Err(late) = slot.set(made) {
            // Another thread made it meanwhile.
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Ok(Cow::Owned(late));
        }
        Ok(Cow::Borrowed(slot.get().unwrap_or_else(|| unreachable!("a slot that was set stays so"))))
    }

    /// What is cached at the moment.
    pub(crate) fn stats(&self) -> CacheStats {
        let images = self.slots.iter().filter(|slot| slot.get().is_some()).count();
        CacheStats { images, bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Reserves memory, if there is so much.
    fn reserve(&self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|&used| used <= self.limit);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    /// Two pixels, 6 bytes, that tell the number.
    fn image(number: u8) -> RgbImage {
        RgbImage::from_pixel(2, 1, image::Rgb([number; 3]))
    }

    #[test]
    fn first_images_stay_cached() {
        let cache = ImageCache::new(5, 20);
        let made = AtomicUsize::new(0);
        for _epoch in 0..3 {
            for index in [4, 0, 2, 1, 3] {
                let make = || {
                    made.fetch_add(1, Ordering::Relaxed);
                    Ok(image(index as u8))
                };
                let found = cache.get_or(index, make).expect("an image");
                assert_eq!(*found, image(index as u8));
                assert_eq!(matches!(found, Cow::Borrowed(_)), [4, 0, 2].contains(&index), "image {index}");
            }
        }
        // Three of 6 bytes fit into 20; the other two were made in each of three epochs.
        assert_eq!(cache.stats(), CacheStats { images: 3, bytes: 18 });
        assert_eq!(made.into_inner(), 3 + 2 * 3);
    }

    #[test]
    fn an_image_that_does_not_fit_leaves_room_for_smaller_ones() {
        let cache = ImageCache::new(2, 10);
        let large = || Ok(RgbImage::new(10, 10));
        assert!(matches!(cache.get_or(0, large), Ok(Cow::Owned(_))));
        assert!(matches!(cache.get_or(1, || Ok(image(1))), Ok(Cow::Borrowed(_))));
        assert_eq!(cache.stats(), CacheStats { images: 1, bytes: 6 });
    }

    #[test]
    fn threads_share_one_cache_and_its_limit() {
        let cache = ImageCache::new(40, 100);
        thread::scope(|scope| {
            for start in 0..8 {
                let cache = &cache;
                scope.spawn(move || {
                    for step in 0..400 {
                        let index = (start * 5 + step) % 40;
                        let found = cache.get_or(index, || Ok(image(index as u8))).expect("an image");
                        assert_eq!(*found, image(index as u8));
                        assert!(cache.stats().bytes <= 100);
                    }
                });
            }
        });
        // Sixteen of 6 bytes fit into 100.
        assert_eq!(cache.stats(), CacheStats { images: 16, bytes: 96 });
    }
}
