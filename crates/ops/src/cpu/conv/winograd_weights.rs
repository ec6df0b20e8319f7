//! Weights of minimal filtering: 4x4 filters, transformed and packed.

use pulp::Simd;
use rayon::prelude::*;

use crate::{
    cpu::{
        buffer::SharedMut,
        gemm::{PackedMatrix, PackedMatrixMut},
        simd::{SimdKernel, SimdWidth, TILE_SIDE, TransposeTile, dispatch, store},
    },
    layer::ConvKind,
};

/// Products for a tile of 2x2 outputs.
pub(super) const PLANES: usize = 9;

/// The four parities (row, column).
pub(super) const PARITIES: [[usize; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

/// `G g G^T`, which is also `A y A^T`.
#[inline(always)]
pub(super) fn filter_transform<S: Simd>(simd: S, [[a, b], [c, d]]: [[S::f32s; 2]; 2]) -> [S::f32s; PLANES] {
    let (left, right) = (simd.add_f32s(a, c), simd.add_f32s(b, d));
    [a, simd.add_f32s(a, b), b, left, simd.add_f32s(left, right), right, c, simd.add_f32s(c, d), d]
}

/// Taps of a 4x4 kernel: as many as a square has columns.
pub(crate) const TAPS: usize = TILE_SIDE;

/// Filters `[small, large, 4, 4]`: a convolution's `[out, in]`, a transposed convolution's `[in, out]`.
#[derive(Clone, Copy)]
pub(crate) struct Filters4x4<'a> {
    values: &'a [f32],
    /// Channels of the small map and of the large one.
    pub(crate) channels: [usize; 2],
}

impl<'a> Filters4x4<'a> {
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
        let mut square = TransposeTile::ZEROS;
        square.take_rows(&self.values[first..], step, used, TAPS);
        let mut taps = [simd.splat_f32s(0.0); TAPS];
        for (index, taps) in taps.iter_mut().enumerate() {
            *taps = square.column::<S>(index);
        }
        taps
    }
}

/// Filters that several threads write, each its own.
#[derive(Clone, Copy)]
pub(crate) struct Filters4x4Mut {
    values: SharedMut,
    pub(crate) channels: [usize; 2],
}

impl Filters4x4Mut {
    /// # Panics
    /// When the values are not 4x4 kernels for these channels.
    pub(crate) fn new(values: &mut [f32], channels: [usize; 2]) -> Self {
        assert_eq!(values.len(), channels[0] * channels[1] * TAPS, "4x4 kernels for {channels:?} channels");
        Self { values: SharedMut::new(values), channels }
    }

    /// Writes the taps of a register's worth of small channels from `p` on, and one large channel.
    ///
    /// # Safety
    /// The values must live, `p` and `q` be channels, and nothing else may use these filters.
    #[inline(always)]
    pub(crate) unsafe fn set_across_small<S: Simd>(&self, p: usize, q: usize, taps: [S::f32s; TAPS]) {
        let [small, large] = self.channels;
        let mut square = TransposeTile::ZEROS;
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

/// Weights for one kind of convolution, transformed: one set for a convolution, one for each parity of a
/// transposed convolution's output.
pub(crate) fn pack(kind: ConvKind, filters: Filters4x4<'_>) -> Vec<PackedMatrix> {
    match kind {
        ConvKind::Conv2d => vec![pack_conv2d(filters)],
        ConvKind::ConvTranspose2d => pack_conv_transpose2d(filters).into(),
    }
}

/// The sum runs over the channels of the large map, four parities to a chunk.
fn pack_conv2d(filters: Filters4x4<'_>) -> PackedMatrix {
    let [small, large] = filters.channels;
    let simd = SimdWidth::detect();
    let mut packed = PackedMatrix::new(PLANES, [simd.chunks(large) * 4, simd.chunks(small)], large);
    let into = packed.writer();
    (0..into.shape.outer).into_par_iter().for_each(|chunk| dispatch(PackConv2d { filters, chunk, into }));
    packed
}

struct PackConv2d<'a> {
    filters: Filters4x4<'a>,
    chunk: usize,
    into: PackedMatrixMut,
}

impl SimdKernel for PackConv2d<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        for q in 0..self.filters.channels[1] {
            let taps = self.filters.across_small(simd, self.chunk * width, q);
            for (parity, [row, column]) in PARITIES.into_iter().enumerate() {
                let first = 4 * row + column;
                let g = filter_transform(
                    simd,
                    [[taps[first], taps[first + 2]], [taps[first + 8], taps[first + 10]]],
                );
                let k = (q / width * 4 + parity) * width + q % width;
                for (plane, value) in g.into_iter().enumerate() {
                    // SAFETY: this task alone writes this chunk of columns.
                    unsafe { store::<S>(self.into.at(plane, k, self.chunk), value) }
                }
            }
        }
    }
}

/// The sum runs over the channels of the small map.
fn pack_conv_transpose2d(filters: Filters4x4<'_>) -> [PackedMatrix; 4] {
    let [small, large] = filters.channels;
    let simd = SimdWidth::detect();
    let mut packed =
        PARITIES.map(|_| PackedMatrix::new(PLANES, [simd.chunks(small), simd.chunks(large)], small));
    let into = packed.each_mut().map(PackedMatrix::writer);
    (0..simd.chunks(large))
        .into_par_iter()
        .for_each(|chunk| dispatch(PackConvTranspose2d { filters, chunk, into }));
    packed
}

struct PackConvTranspose2d<'a> {
    filters: Filters4x4<'a>,
    chunk: usize,
    into: [PackedMatrixMut; 4],
}

impl SimdKernel for PackConvTranspose2d<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        for p in 0..self.filters.channels[0] {
            let taps = self.filters.across_large(simd, p, self.chunk * S::F32_LANES);
            for (into, [row, column]) in self.into.iter().zip(PARITIES) {
                // Even rows take taps 3 and 1, odd rows taps 2 and 0.
                let last = 4 * (3 - row) + 3 - column;
                let g =
                    filter_transform(simd, [[taps[last], taps[last - 2]], [taps[last - 8], taps[last - 10]]]);
                for (plane, value) in g.into_iter().enumerate() {
                    // SAFETY: this task alone writes this chunk of columns.
                    unsafe { store::<S>(into.at(plane, p, self.chunk), value) }
                }
            }
        }
    }
}
