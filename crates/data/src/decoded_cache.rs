//! Decoded pictures kept in memory from epoch to epoch, up to a limit.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use image::RgbImage;

use crate::DataError;

/// Keeps the pictures that come first until the memory is full, and then these same ones for good.
///
/// An epoch asks for each picture once. So a cache that holds a part of the set serves that part of every epoch,
/// whichever part it is. Throwing out the least recently used picture, as caches mostly do, serves less: in a fixed
/// order nothing at all, because all other pictures are asked for before one comes again.
///
/// Pictures are handed out as they were put in, so a cache changes how long something takes and nothing else.
#[derive(Debug)]
pub(crate) struct DecodedCache {
    slots: Vec<OnceLock<RgbImage>>,
    limit: u64,
    held: AtomicU64,
}

/// What a loader keeps in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// How many decoded pictures.
    pub pictures: usize,
    /// How many bytes their pixels take.
    pub bytes: u64,
}

impl DecodedCache {
    /// An empty cache for pictures `0..pictures` with at most `limit` bytes of pixels.
    pub(crate) fn new(pictures: usize, limit: u64) -> Self {
        let slots = if limit == 0 { 0 } else { pictures };
        Self { slots: (0..slots).map(|_| OnceLock::new()).collect(), limit, held: AtomicU64::new(0) }
    }

    /// Picture `index`: the one that is kept, or else what `make` gives, which is kept if there is room.
    ///
    /// Threads that ask for the same picture at once may each make it; one of the results is kept.
    ///
    /// # Errors
    /// Those of `make`; an error is not kept.
    pub(crate) fn get_or(
        &self,
        index: usize,
        make: impl FnOnce() -> Result<RgbImage, DataError>,
    ) -> Result<Cow<'_, RgbImage>, DataError> {
        let Some(slot) = self.slots.get(index) else { return make().map(Cow::Owned) };
        if let Some(kept) = slot.get() {
            return Ok(Cow::Borrowed(kept));
        }
        let made = make()?;
        let bytes = made.as_raw().capacity() as u64;
        if !self.reserve(bytes) {
            return Ok(Cow::Owned(made));
        }
        if let Err(late) = slot.set(made) {
            // Another thread made it meanwhile.
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            return Ok(Cow::Owned(late));
        }
        Ok(Cow::Borrowed(slot.get().unwrap_or_else(|| unreachable!("a slot that was set stays so"))))
    }

    /// What is kept at the moment.
    pub(crate) fn kept(&self) -> CacheStats {
        let pictures = self.slots.iter().filter(|slot| slot.get().is_some()).count();
        CacheStats { pictures, bytes: self.held.load(Ordering::Relaxed) }
    }

    /// Sets memory aside, if there is so much.
    fn reserve(&self, bytes: u64) -> bool {
        let more = |held: u64| held.checked_add(bytes).filter(|&held| held <= self.limit);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    /// Two pixels, 6 bytes, that tell the number.
    fn picture(number: u8) -> RgbImage {
        RgbImage::from_pixel(2, 1, image::Rgb([number; 3]))
    }

    #[test]
    fn what_comes_first_is_kept_for_good() {
        let cache = DecodedCache::new(5, 20);
        let made = AtomicUsize::new(0);
        for _epoch in 0..3 {
            for index in [4, 0, 2, 1, 3] {
                let make = || {
                    made.fetch_add(1, Ordering::Relaxed);
                    Ok(picture(index as u8))
                };
                let found = cache.get_or(index, make).expect("a picture");
                assert_eq!(*found, picture(index as u8));
                assert_eq!(matches!(found, Cow::Borrowed(_)), [4, 0, 2].contains(&index), "picture {index}");
            }
        }
        // Three of 6 bytes fit into 20; the other two were made in each of three epochs.
        assert_eq!(cache.kept(), CacheStats { pictures: 3, bytes: 18 });
        assert_eq!(made.into_inner(), 3 + 2 * 3);
    }

    #[test]
    fn a_picture_that_does_not_fit_leaves_room_for_smaller_ones() {
        let cache = DecodedCache::new(2, 10);
        let large = || Ok(RgbImage::new(10, 10));
        assert!(matches!(cache.get_or(0, large), Ok(Cow::Owned(_))));
        assert!(matches!(cache.get_or(1, || Ok(picture(1))), Ok(Cow::Borrowed(_))));
        assert_eq!(cache.kept(), CacheStats { pictures: 1, bytes: 6 });
    }

    #[test]
    fn without_memory_nothing_is_kept() {
        let cache = DecodedCache::new(3, 0);
        assert!(matches!(cache.get_or(1, || Ok(picture(1))), Ok(Cow::Owned(_))));
        assert_eq!(cache.kept(), CacheStats::default());
    }

    #[test]
    fn errors_are_not_kept() {
        let cache = DecodedCache::new(1, 100);
        let torn = || Err(DataError::Settings { reason: "torn".to_owned() });
        assert!(cache.get_or(0, torn).is_err());
        assert_eq!(*cache.get_or(0, || Ok(picture(3))).expect("another try"), picture(3));
    }

    #[test]
    fn threads_share_one_cache_and_its_limit() {
        let cache = DecodedCache::new(40, 100);
        thread::scope(|scope| {
            for start in 0..8 {
                let cache = &cache;
                scope.spawn(move || {
                    for step in 0..400 {
                        let index = (start * 5 + step) % 40;
                        let found = cache.get_or(index, || Ok(picture(index as u8))).expect("a picture");
                        assert_eq!(*found, picture(index as u8));
                        assert!(cache.kept().bytes <= 100);
                    }
                });
            }
        });
        // Sixteen of 6 bytes fit into 100.
        assert_eq!(cache.kept(), CacheStats { pictures: 16, bytes: 96 });
    }
}
