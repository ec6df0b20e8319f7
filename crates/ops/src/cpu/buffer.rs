//! Buffers that are used again: fresh memory costs a page fault for every 4 KiB.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

use aligned_vec::{AVec, ConstAlign};

use super::simd::SimdWidth;

/// Values that begin at a cache line, so that no register load crosses one.
type Aligned = AVec<f32, ConstAlign<64>>;

/// Values that the pool holds at most (1 GiB); what is returned beyond that is freed.
const POOL_LIMIT: usize = 256 << 20;

static POOL: Mutex<Vec<Aligned>> = Mutex::new(Vec::new());

/// Values from the pool; they return to it when dropped.
pub(crate) struct Buffer {
    values: Aligned,
    length: usize,
}

impl Buffer {
    /// A buffer whose values are whatever an earlier user left: write before you read.
    pub(crate) fn uncleared(length: usize) -> Self {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that fits and is not wastefully large.
        let most = (length + length / 4).max(1 << 16);
        let fitting = (0..pool.len())
            .filter(|&index| (length..=most).contains(&pool[index].len()))
            .min_by_key(|&index| pool[index].len());
        let taken = fitting.map(|index| pool.swap_remove(index));
        drop(pool);
        let values = taken.unwrap_or_else(|| {
            let mut fresh = Aligned::with_capacity(64, length);
            // SAFETY: there is room for them, and bytes of 0 are zeros. (`resize` writes one value at a
            // time.)
            unsafe {
                fresh.as_mut_ptr().write_bytes(0, length);
                fresh.set_len(length);
            }
            fresh
        });
        Self { values, length }
    }

    /// Keeps the first values only.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// A copy with zeros behind the last value up to a whole register.
    pub(crate) fn padded(values: &[f32]) -> Self {
        let mut buffer = Self::zeroed(values.len().next_multiple_of(SimdWidth::detect().lanes));
        buffer[..values.len()].copy_from_slice(values);
        buffer
    }

    /// A buffer of zeros.
    pub(crate) fn zeroed(length: usize) -> Self {
        let mut buffer = Self::uncleared(length);
        buffer.fill(0.0);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = mem::replace(&mut self.values, Aligned::new(64));
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let pooled: usize = pool.iter().map(|values| (**values).len()).sum();
        if pooled + values.len() <= POOL_LIMIT {
            pool.push(values);
        }
    }
}

/// Values that several threads write, each its own.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut(*mut f32);

// SAFETY: whoever writes promises to write what no other thread uses, and not longer than the values live.
unsafe impl Send for SharedMut {}
// SAFETY: as above.
unsafe impl Sync for SharedMut {}

impl SharedMut {
    pub(crate) fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// # Safety
    /// As for pointers.
    #[inline(always)]
    pub(crate) unsafe fn add(self, values: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(values) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_at_a_cache_line_and_have_their_length() {
        for length in [1, 17, 5000] {
            let buffer = Buffer::zeroed(length);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr().addr() % 64, 0);
            assert!(buffer.iter().all(|&value| value == 0.0));
        }
    }
}
