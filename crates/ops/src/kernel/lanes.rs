//! The vector unit: which one this processor has, and how the kernels here see it.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

use crate::implementation::switch;

/// Sizes that follow from the processor's vector unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// `f32` values in a register: 16 with AVX-512, 8 with AVX2, 4 with NEON, 1 without any.
    pub(crate) width: usize,
    /// Rows of a group, see [`crate::kernel::groups`].
    pub(crate) rows: usize,
}

impl Lanes {
    /// Those of the processor that runs this.
    pub(crate) fn detect() -> Self {
        dispatch(Detect)
    }

    /// Registers that hold `channels` values.
    pub(crate) fn chunks(self, channels: usize) -> usize {
        channels.div_ceil(self.width)
    }

    /// Values in one chunk of one group.
    pub(crate) fn group(self) -> usize {
        self.rows * self.width
    }
}

/// Work compiled once for each vector unit.
///
/// `ROWS` x 2 registers accumulate in a product, `HALF` rows in a transposed product. Everything
/// below `run` must be `#[inline(always)]`: only what is inlined into the dispatched function may use
/// the unit's instructions.
pub(crate) trait Task {
    type Output;

    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) -> Self::Output;
}

/// Runs a task with the best vector unit that this processor has.
pub(crate) fn dispatch<T: Task>(task: T) -> T::Output {
    ARCH.dispatch(Dispatch(task))
}

/// The vector unit in use: the best there is, or the lesser one that the switch asks for.
static ARCH: LazyLock<Arch> = LazyLock::new(|| match switch().as_deref() {
    Some("scalar") => Arch::Scalar,
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Some("avx2") => pulp::x86::V3::try_new().map_or_else(Arch::new, Arch::V3),
    _ => Arch::new(),
});

struct Dispatch<T>(T);

impl<T: Task> WithSimd for Dispatch<T> {
    type Output = T::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T::Output {
        // 14 x 2 accumulators, two factors and a broadcast fit 32 registers; 6 x 2 fit 16.
        match (S::REGISTER_COUNT >= 32, S::F32_LANES) {
            (true, 8..) => self.0.run::<S, 14, 8>(simd),
            (_, 4..) => self.0.run::<S, 6, 4>(simd),
            _ => self.0.run::<S, 6, 1>(simd),
        }
    }
}

struct Detect;

impl Task for Detect {
    type Output = Lanes;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) -> Lanes {
        Lanes { width: S::F32_LANES, rows: ROWS }
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
