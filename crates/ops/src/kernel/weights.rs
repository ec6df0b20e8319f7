//! Weights: PyTorch's layout outside, the products' layout inside.

use pulp::Simd;

use super::{
    lanes::Lanes,
    scratch::Buffer,
    square::{SIDE, Square},
};

/// Taps of a 4x4 kernel: as many as a square has columns.
pub(crate) const TAPS: usize = SIDE;

/// Kernels `[small, large, 4, 4]`: a convolution's `[out, in]`, an up-convolution's `[in, out]`.
#[derive(Clone, Copy)]
pub(crate) struct Kernels<'a> {
    values: &'a [f32],
    /// Channels of the small map and of the large one.
    pub(crate) channels: [usize; 2],
}

impl<'a> Kernels<'a> {
    /// # Panics
    /// When the values are not 4x4 kernels for these channels.
    pub(crate) fn new(values: &'a [f32], channels: [usize; 2]) -> Self {
        assert_eq!(values.len(), channels[0] * channels[1] * TAPS, "4x4 kernels for {channels:?} channels");
        Self { values, channels }
    }

    /// The taps of a register's worth of small channels from `p` on, and one large channel.
    #[inline(always)]
    pub(crate) fn across_small<S: Simd>(&self, simd: S, p: usize, q: usize) -> [S::f32s; TAPS] {
        let [small, large] = self.channels;
        let used = S::F32_LANES.min(small - p);
        self.transposed(simd, (p * large + q) * TAPS, large * TAPS, used)
    }

    /// The taps of one small channel and a register's worth of large channels from `q` on.
    #[inline(always)]
    pub(crate) fn across_large<S: Simd>(&self, simd: S, p: usize, q: usize) -> [S::f32s; TAPS] {
        let large = self.channels[1];
        self.transposed(simd, (p * large + q) * TAPS, TAPS, S::F32_LANES.min(large - q))
    }

    #[inline(always)]
    fn transposed<S: Simd>(&self, simd: S, first: usize, step: usize, used: usize) -> [S::f32s; TAPS] {
        let mut square = Square::ZEROS;
        square.take_rows(&self.values[first..], step, used, TAPS);
        let mut taps = [simd.splat_f32s(0.0); TAPS];
        for (index, taps) in taps.iter_mut().enumerate() {
            *taps = square.column::<S>(index);
        }
        taps
    }
}

/// Kernels that several threads write, each its own.
#[derive(Clone, Copy)]
pub(crate) struct KernelsMut<'a> {
    values: *mut f32,
    pub(crate) channels: [usize; 2],
    lifetime: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: writers promise to write different kernels.
unsafe impl Send for KernelsMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for KernelsMut<'_> {}

impl<'a> KernelsMut<'a> {
    /// # Panics
    /// When the values are not 4x4 kernels for these channels.
    pub(crate) fn new(values: &'a mut [f32], channels: [usize; 2]) -> Self {
        assert_eq!(values.len(), channels[0] * channels[1] * TAPS, "4x4 kernels for {channels:?} channels");
        Self { values: values.as_mut_ptr(), channels, lifetime: std::marker::PhantomData }
    }

    /// Writes the taps of a register's worth of small channels from `p` on, and one large channel.
    ///
    /// # Safety
    /// `p` and `q` must be channels, and nothing else may use these kernels.
    #[inline(always)]
    pub(crate) unsafe fn set_across_small<S: Simd>(&self, p: usize, q: usize, taps: [S::f32s; TAPS]) {
        let [small, large] = self.channels;
        let mut square = Square::ZEROS;
        for (tap, values) in taps.into_iter().enumerate() {
            square.set_column::<S>(tap, values);
        }
        for lane in 0..S::F32_LANES.min(small - p) {
            // SAFETY: a kernel of these channels, for this caller alone.
            let kernel = unsafe {
                std::slice::from_raw_parts_mut(self.values.add(((p + lane) * large + q) * TAPS), TAPS)
            };
            square.put_row(lane, kernel);
        }
    }
}

/// Sizes of packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedShape {
    pub(crate) planes: usize,
    /// Chunks of the sum.
    pub(crate) inner: usize,
    /// Chunks of columns.
    pub(crate) outer: usize,
    pub(crate) lanes: Lanes,
}

impl PackedShape {
    /// Values in a plane.
    pub(crate) fn plane(&self) -> usize {
        self.inner * self.outer * self.lanes.width * self.lanes.width
    }

    /// Where row `k` of a chunk of columns begins.
    #[inline(always)]
    fn index(&self, plane: usize, k: usize, chunk: usize) -> usize {
        let width = self.lanes.width;
        let panel = chunk / 2;
        let registers = if 2 * panel + 1 == self.outer { 1 } else { 2 };
        plane * self.plane() + panel * self.inner * width * 2 * width + (k * registers + chunk % 2) * width
    }
}

/// Right factors of several products, `[plane][panel][k][register of the panel][lane]`.
///
/// A panel is two registers wide, the last one single where the number of chunks is odd.
pub(crate) struct Packed {
    pub(crate) values: Buffer,
    pub(crate) shape: PackedShape,
}

impl Packed {
    /// Weights to be written; `rows` of the `inner` chunks of the sum are, the others are zero.
    pub(crate) fn new(planes: usize, [inner, outer]: [usize; 2], channels: usize) -> Self {
        let shape = PackedShape { planes, inner, outer, lanes: Lanes::detect() };
        let size = planes * shape.plane();
        let whole = channels.is_multiple_of(shape.lanes.width);
        let values = if whole { Buffer::uncleared(size) } else { Buffer::zeroed(size) };
        Self { values, shape }
    }

    /// For several threads to write, each its own.
    pub(crate) fn writer(&mut self) -> PackedMut {
        PackedMut { values: self.values.as_mut_ptr(), shape: self.shape }
    }
}

/// Packed weights that several threads write.
#[derive(Clone, Copy)]
pub(crate) struct PackedMut {
    values: *mut f32,
    pub(crate) shape: PackedShape,
}

// SAFETY: writers promise to write different registers, and not longer than the weights live.
unsafe impl Send for PackedMut {}
// SAFETY: as above.
unsafe impl Sync for PackedMut {}

impl PackedMut {
    /// Where row `k` of a chunk of columns begins.
    ///
    /// # Safety
    /// The weights must live, and have this plane, row and chunk.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, plane: usize, k: usize, chunk: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.values.add(self.shape.index(plane, k, chunk)) }
    }
}
