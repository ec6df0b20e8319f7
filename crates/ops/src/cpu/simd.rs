//! The vector unit: which one this processor has, how kernels use it, and transposes by registers.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

use crate::dispatch::kernels_variable;

/// Sizes that follow from the processor's vector unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SimdWidth {
    /// `f32` values in a register: 16 with AVX-512, 8 with AVX2, 4 with NEON, 1 without any.
    pub(crate) lanes: usize,
    /// Rows of a row panel, see [`super::gemm`].
    pub(crate) rows: usize,
}

impl SimdWidth {
    /// Those of the processor that runs this.
    pub(crate) fn detect() -> Self {
        let mut detected = Self { lanes: 1, rows: 1 };
        dispatch(Detect(&mut detected));
        detected
    }

    /// Registers that hold `channels` values.
    pub(crate) fn chunks(self, channels: usize) -> usize {
        channels.div_ceil(self.lanes)
    }

    /// Values in one chunk of a row panel.
    pub(crate) fn panel(self) -> usize {
        self.rows * self.lanes
    }
}

/// Work compiled once for each vector unit.
///
/// `ROWS` x 2 registers accumulate in a product, `T_ROWS` x 2 in a product with a transposed left factor.
/// Everything below `run` must be `#[inline(always)]`: only what is inlined into the dispatched function may
/// use the unit's instructions.
pub(crate) trait SimdKernel {
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S);
}

/// Runs a kernel with the best vector unit that this processor has.
pub(crate) fn dispatch<K: SimdKernel>(kernel: K) {
    ARCH.dispatch(Dispatch(kernel));
}

/// The vector unit in use: the best there is, or the lesser one that the environment variable asks for.
static ARCH: LazyLock<Arch> = LazyLock::new(|| match kernels_variable().as_deref() {
    Some("scalar") => Arch::Scalar,
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Some("avx2") => pulp::x86::V3::try_new().map_or_else(Arch::new, Arch::V3),
    _ => Arch::new(),
});

struct Dispatch<K>(K);

impl<K: SimdKernel> WithSimd for Dispatch<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // 14 x 2 accumulators, two factors and a broadcast fit 32 registers; 6 x 2 fit 16.
        match (S::REGISTER_COUNT >= 32, S::F32_LANES) {
            (true, 8..) => self.0.run::<S, 14, 8>(simd),
            (_, 4..) => self.0.run::<S, 6, 4>(simd),
            _ => self.0.run::<S, 6, 1>(simd),
        }
    }
}

struct Detect<'a>(&'a mut SimdWidth);

impl SimdKernel for Detect<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        *self.0 = SimdWidth { lanes: S::F32_LANES, rows: ROWS };
    }
}

/// Asks for a line of memory that will be read soon; any address will do.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and it faults for no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Reads one register.
///
/// # Safety
/// `from` must be valid for reads of `S::F32_LANES` values.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; the read is unaligned and any bits are a valid register.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Writes one register.
///
/// # Safety
/// `to` must be valid for writes of `S::F32_LANES` values.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(to: *mut f32, value: S::f32s) {
    // SAFETY: the caller's promise; the write is unaligned.
    unsafe { to.cast::<S::f32s>().write_unaligned(value) }
}

/// Reads the first `count` values of a register, zeros behind them.
///
/// # Safety
/// `from` must be valid for reads of `min(count, S::F32_LANES)` values.
#[inline(always)]
pub(crate) unsafe fn load_first<S: Simd>(simd: S, from: *const f32, count: usize) -> S::f32s {
    if count >= S::F32_LANES {
        // SAFETY: `count` covers the register.
        unsafe { load::<S>(from) }
    } else {
        // SAFETY: the caller's promise covers `count` values.
        simd.partial_load_f32s(unsafe { std::slice::from_raw_parts(from, count) })
    }
}

/// Writes the first `count` values of a register.
///
/// # Safety
/// `to` must be valid for writes of `min(count, S::F32_LANES)` values that nothing else uses.
#[inline(always)]
pub(crate) unsafe fn store_first<S: Simd>(simd: S, to: *mut f32, count: usize, value: S::f32s) {
    if count >= S::F32_LANES {
        // SAFETY: `count` covers the register.
        unsafe { store::<S>(to, value) }
    } else {
        // SAFETY: the caller's promise covers `count` values.
        simd.partial_store_f32s(unsafe { std::slice::from_raw_parts_mut(to, count) }, value);
    }
}

/// Lanes of the widest register there is (AVX-512), and values of a row that are transposed at a time.
pub(crate) const TILE_SIDE: usize = 16;

/// A transpose between rows in memory and registers: up to a register's worth of rows, `columns[c]` beginning
/// with the values of column `c`.
pub(crate) struct TransposeTile {
    columns: [[f32; TILE_SIDE]; TILE_SIDE],
}

impl TransposeTile {
    pub(crate) const ZEROS: Self = Self { columns: [[0.0; TILE_SIDE]; TILE_SIDE] };

    /// Takes `rows` rows, `step` values apart, of up to [`TILE_SIDE`] values each.
    ///
    /// # Panics
    /// When there are not as many values.
    #[inline(always)]
    pub(crate) fn take_rows(&mut self, values: &[f32], step: usize, rows: usize, count: usize) {
        if count == TILE_SIDE {
            // The same with a count that the compiler knows.
            self.take::<TILE_SIDE>(values, step, rows);
            return;
        }
        for row in 0..rows {
            for (column, value) in self.columns.iter_mut().zip(&values[row * step..][..count]) {
                column[row] = *value;
            }
        }
    }

    #[inline(always)]
    fn take<const COUNT: usize>(&mut self, values: &[f32], step: usize, rows: usize) {
        for row in 0..rows {
            let values = &values[row * step..][..COUNT];
            for (column, value) in self.columns.iter_mut().zip(values) {
                column[row] = *value;
            }
        }
    }

    /// The rows' values in one column.
    #[inline(always)]
    pub(crate) fn column<S: Simd>(&self, column: usize) -> S::f32s {
        // SAFETY: no register is wider than a column.
        unsafe { load::<S>(self.columns[column].as_ptr()) }
    }

    /// Sets the rows' values in one column.
    #[inline(always)]
    pub(crate) fn set_column<S: Simd>(&mut self, column: usize, values: S::f32s) {
        // SAFETY: no register is wider than a column.
        unsafe { store::<S>(self.columns[column].as_mut_ptr(), values) }
    }

    /// The first values of one row.
    #[inline(always)]
    pub(crate) fn put_row(&self, row: usize, to: &mut [f32]) {
        for (value, column) in to.iter_mut().zip(&self.columns) {
            *value = column[row];
        }
    }
}
