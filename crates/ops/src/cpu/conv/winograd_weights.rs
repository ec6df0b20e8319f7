//! Weights of minimal filtering: 4x4 filters, transformed and packed.

use pulp::Simd;
use rayon::prelude::*;

use super::direct_weights::Filters;
use crate::{
    cpu::{
        gemm::{PackedMatrix, PackedMatrixMut},
        simd::{SimdKernel, SimdWidth, TILE_SIDE, TransposeTile, dispatch, store},
    },
    layer::ConvKind,
};

/// Products for a tile of 2x2 outputs.
pub(crate) const PLANES: usize = 9;

/// The four parities (row, column).
pub(crate) const PARITIES: [[usize; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

/// `G g G^T`, which is also `A y A^T`.
#[inline(always)]
pub(crate) fn filter_transform<S: Simd>(simd: S, [[a, b], [c, d]]: [[S::f32s; 2]; 2]) -> [S::f32s; PLANES] {
    let (left, right) = (simd.add_f32s(a, c), simd.add_f32s(b, d));
    [a, simd.add_f32s(a, b), b, left, simd.add_f32s(left, right), right, c, simd.add_f32s(c, d), d]
}

/// Taps of a 4x4 kernel: as many as a [`TransposeTile`] has columns.
pub(crate) const TAPS: usize = TILE_SIDE;

/// The taps of a register's worth of small channels from `p` on, and one large channel.
#[inline(always)]
fn taps_across_small<S: Simd>(simd: S, filters: Filters<'_>, p: usize, q: usize) -> [S::f32s; TAPS] {
    let [small, large] = filters.channels;
    transpose(simd, &filters.values[(p * large + q) * TAPS..], large * TAPS, S::F32_LANES.min(small - p))
}

/// The taps of one small channel and a register's worth of large channels from `q` on.
#[inline(always)]
fn taps_across_large<S: Simd>(simd: S, filters: Filters<'_>, p: usize, q: usize) -> [S::f32s; TAPS] {
    let large = filters.channels[1];
    transpose(simd, &filters.values[(p * large + q) * TAPS..], TAPS, S::F32_LANES.min(large - q))
}

/// Taps of `used` filters, `step` values apart.
#[inline(always)]
fn transpose<S: Simd>(simd: S, values: &[f32], step: usize, used: usize) -> [S::f32s; TAPS] {
    let mut square = TransposeTile::ZEROS;
    square.take_rows(values, step, used, TAPS);
    let mut taps = [simd.splat_f32s(0.0); TAPS];
    for (index, taps) in taps.iter_mut().enumerate() {
        *taps = square.column::<S>(index);
    }
    taps
}

/// Weights for one kind of convolution, transformed: one set for a convolution, one for each parity of a
/// transposed convolution's output.
pub(crate) fn pack(kind: ConvKind, filters: Filters<'_>) -> Vec<PackedMatrix> {
    match kind {
        ConvKind::Conv2d => vec![pack_conv2d(filters)],
        ConvKind::ConvTranspose2d => pack_conv_transpose2d(filters).into(),
    }
}

/// The sum runs over the channels of the large map, four parities to a chunk.
fn pack_conv2d(filters: Filters<'_>) -> PackedMatrix {
    let [small, large] = filters.channels;
    let simd = SimdWidth::detect();
    let mut packed = PackedMatrix::new(PLANES, [simd.chunks(large) * 4, simd.chunks(small)], large);
    let into = packed.writer();
    (0..into.shape.outer).into_par_iter().for_each(|chunk| dispatch(PackConv2d { filters, chunk, into }));
    packed
}

struct PackConv2d<'a> {
    filters: Filters<'a>,
    chunk: usize,
    into: PackedMatrixMut,
}

impl SimdKernel for PackConv2d<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        for q in 0..self.filters.channels[1] {
            let taps = taps_across_small(simd, self.filters, self.chunk * width, q);
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
fn pack_conv_transpose2d(filters: Filters<'_>) -> [PackedMatrix; 4] {
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
    filters: Filters<'a>,
    chunk: usize,
    into: [PackedMatrixMut; 4],
}

impl SimdKernel for PackConvTranspose2d<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        for p in 0..self.filters.channels[0] {
            let taps = taps_across_large(simd, self.filters, p, self.chunk * S::F32_LANES);
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
