//! How rows of weights lie in memory, and how they are read register by register.

use pulp::Simd;

use super::lanes::{load, load_first, prefetch};

/// A matrix as it lies in memory: rows of pairs of registers.
pub(crate) trait Rows: Copy + Send + Sync {
    type Value;

    /// Rows and columns.
    fn sizes(&self) -> [usize; 2];

    /// Where a row begins.
    fn row(&self, row: usize) -> *const Self::Value;

    /// Brings a register closer that will be read soon; it need not exist.
    fn send_for<S: Simd>(row: *const Self::Value, pair: usize, half: usize);

    /// Reads a register of a pair that is whole.
    ///
    /// # Safety
    /// The row must have that pair, all of it.
    unsafe fn whole<S: Simd>(simd: S, row: *const Self::Value, pair: usize, half: usize) -> S::f32s;

    /// Reads a register of the last pair, zeros behind the last column.
    ///
    /// # Safety
    /// The row must begin at `row`, and `pair` be its last.
    unsafe fn last<S: Simd>(&self, simd: S, row: *const Self::Value, pair: usize, half: usize) -> S::f32s;
}

/// Values of 32 bits, row by row.
#[derive(Clone, Copy)]
pub(crate) struct Plain<'a> {
    values: &'a [f32],
    sizes: [usize; 2],
}

impl<'a> Plain<'a> {
    /// # Panics
    /// When the values are not as many as rows times columns.
    pub(crate) fn new(values: &'a [f32], sizes: [usize; 2]) -> Self {
        assert_eq!(values.len(), sizes[0] * sizes[1], "a matrix of {sizes:?}");
        Self { values, sizes }
    }

    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }
}

impl Rows for Plain<'_> {
    type Value = f32;

    fn sizes(&self) -> [usize; 2] {
        self.sizes
    }

    #[inline(always)]
    fn row(&self, row: usize) -> *const f32 {
        self.values[row * self.sizes[1]..][..self.sizes[1]].as_ptr()
    }

    #[inline(always)]
    fn send_for<S: Simd>(row: *const f32, pair: usize, half: usize) {
        prefetch(row.wrapping_add((2 * pair + half) * S::F32_LANES));
    }

    #[inline(always)]
    unsafe fn whole<S: Simd>(_: S, row: *const f32, pair: usize, half: usize) -> S::f32s {
        // SAFETY: the caller's promise.
        unsafe { load::<S>(row.add((2 * pair + half) * S::F32_LANES)) }
    }

    #[inline(always)]
    unsafe fn last<S: Simd>(&self, simd: S, row: *const f32, pair: usize, half: usize) -> S::f32s {
        let first = (2 * pair + half) * S::F32_LANES;
        if first >= self.sizes[1] {
            return simd.splat_f32s(0.0);
        }
        // SAFETY: the row has values from `first` to its last column.
        unsafe { load_first(simd, row.add(first), self.sizes[1] - first) }
    }
}
