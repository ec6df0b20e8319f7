//! Weights packed for products with patches, and gradients unpacked as weights.

use pulp::Simd;
use rayon::prelude::*;

use crate::{
    cpu::{
        buffer::Buffer,
        gemm::{PackedMatrix, PackedMatrixMut},
        gemm_tn::TnProduct,
        simd::{SimdKernel, SimdWidth, TILE_SIDE, TransposeTile, dispatch, load_first, store, store_first},
    },
    layer::{ConvGeometry, ConvKind},
};

/// Filters of one group, `[small, large, kernel, kernel]`.
#[derive(Clone, Copy)]
pub(crate) struct Filters<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) channels: [usize; 2],
    pub(crate) geometry: ConvGeometry,
}

/// Weights packed for one kind of convolution.
pub(crate) fn pack(kind: ConvKind, weights: Filters<'_>) -> PackedMatrix {
    match kind {
        ConvKind::Conv2d => pack_conv2d(weights),
        ConvKind::ConvTranspose2d => pack_conv_transpose2d(weights),
    }
}

/// `[small, large]` values, read as 1x1 filters.
pub(crate) fn pack_matrix(values: &[f32], channels: [usize; 2]) -> PackedMatrix {
    pack_conv2d(Filters { values, channels, geometry: ConvGeometry::new(1, 1, 0) })
}

/// Large channels that one task handles.
const CHANNELS_PER_TASK: usize = 64;

/// The sum runs over taps, then channels.
fn pack_conv2d(weights: Filters<'_>) -> PackedMatrix {
    let [small, large] = weights.channels;
    let rows = weights.geometry.taps() * large;
    let simd = SimdWidth::detect();
    let mut packed = PackedMatrix::new(1, [simd.chunks(rows), simd.chunks(small)], rows);
    let into = packed.writer();
    let parts = large.div_ceil(CHANNELS_PER_TASK);
    (0..simd.chunks(small) * parts).into_par_iter().for_each(|task| {
        dispatch(PackConv2d { weights, chunk: task / parts, first: task % parts * CHANNELS_PER_TASK, into });
    });
    packed
}

/// A chunk of small channels and a part of the large ones.
struct PackConv2d<'a> {
    weights: Filters<'a>,
    chunk: usize,
    first: usize,
    into: PackedMatrixMut,
}

impl SimdKernel for PackConv2d<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        let Self { weights, chunk, first, into } = self;
        let [small, large] = weights.channels;
        let taps = weights.geometry.taps();
        let p = chunk * S::F32_LANES;
        let used = S::F32_LANES.min(small - p);
        let mut square = TransposeTile::ZEROS;
        let last = (first + CHANNELS_PER_TASK).min(large) * taps;
        for index in (first * taps..last).step_by(TILE_SIDE) {
            let count = TILE_SIDE.min(last - index);
            square.take_rows(&weights.values[p * large * taps + index..], large * taps, used, count);
            for column in 0..count {
                let (q, tap) = ((index + column) / taps, (index + column) % taps);
                // SAFETY: this task alone writes these rows of this chunk of columns.
                unsafe { store::<S>(into.at(0, tap * large + q, chunk), square.column::<S>(column)) }
            }
        }
    }
}

/// A column for each tap and channel.
fn pack_conv_transpose2d(weights: Filters<'_>) -> PackedMatrix {
    let [small, large] = weights.channels;
    let simd = SimdWidth::detect();
    let columns = simd.chunks(weights.geometry.taps() * large);
    let mut packed = PackedMatrix::new(1, [simd.chunks(small), columns], small);
    let into = packed.writer();
    (0..small)
        .into_par_iter()
        .with_min_len(8)
        .for_each(|p| dispatch(PackConvTranspose2d { weights, p, into }));
    packed
}

/// One small channel.
struct PackConvTranspose2d<'a> {
    weights: Filters<'a>,
    p: usize,
    into: PackedMatrixMut,
}

impl SimdKernel for PackConvTranspose2d<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let Self { weights, p, into } = self;
        let width = S::F32_LANES;
        let large = weights.channels[1];
        let taps = weights.geometry.taps();
        let values = &weights.values[p * large * taps..][..large * taps];
        let mut row = Buffer::uncleared(large * taps);
        let mut square = TransposeTile::ZEROS;
        for q in (0..large).step_by(width) {
            let used = width.min(large - q);
            for tap in (0..taps).step_by(TILE_SIDE) {
                let count = TILE_SIDE.min(taps - tap);
                square.take_rows(&values[q * taps + tap..], taps, used, count);
                for column in 0..count {
                    let to = row[(tap + column) * large + q..][..used].as_mut_ptr();
                    // SAFETY: the slice has `used` values.
                    unsafe { store_first(simd, to, used, square.column::<S>(column)) }
                }
            }
        }
        for chunk in 0..into.shape.outer {
            let part = &row[chunk * width..];
            // SAFETY: the row goes on for `part.len()` values; this task alone writes this row.
            unsafe { store::<S>(into.at(0, p, chunk), load_first(simd, part.as_ptr(), part.len())) }
        }
    }
}

/// A product whose rows run over taps, then large channels, and whose columns are small channels, as
/// filters `[small, large, taps]`.
pub(crate) fn unpack(sums: &TnProduct, [small, large]: [usize; 2], taps: usize, filters: &mut [f32]) {
    let width = SimdWidth::detect().lanes;
    filters.par_chunks_mut(width * large * taps).enumerate().for_each(|(chunk, filters)| {
        let used = width.min(small - chunk * width);
        dispatch(UnpackKernel { sums, chunk, used, large, taps, filters });
    });
}

/// A chunk of small channels.
struct UnpackKernel<'a> {
    sums: &'a TnProduct,
    chunk: usize,
    used: usize,
    large: usize,
    taps: usize,
    filters: &'a mut [f32],
}

impl SimdKernel for UnpackKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let Self { sums, chunk, used, large, taps, filters } = self;
        let size = large * taps;
        let mut square = TransposeTile::ZEROS;
        for index in (0..size).step_by(TILE_SIDE) {
            let count = TILE_SIDE.min(size - index);
            for column in 0..count {
                let (q, tap) = ((index + column) / taps, (index + column) % taps);
                let row = sums.row(0, tap * large + q, chunk);
                // SAFETY: a register of the sums.
                square.set_column::<S>(column, unsafe { load_first(simd, row.as_ptr(), row.len()) });
            }
            for row in 0..used {
                square.put_row(row, &mut filters[row * size + index..][..count]);
            }
        }
    }
}
