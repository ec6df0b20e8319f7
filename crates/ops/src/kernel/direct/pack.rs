//! Weights laid out for products with patches, and gradients laid out as weights.

use pulp::Simd;
use rayon::prelude::*;

use crate::{
    ConvGeometry, ConvKind,
    kernel::{
        lanes::{Lanes, Task, dispatch, load_first, store, store_first},
        outer::Sums,
        scratch::Buffer,
        square::{SIDE, Square},
        weights::{Packed, PackedMut},
    },
};

/// Kernels of one group, `[small, large, kernel, kernel]`.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) channels: [usize; 2],
    pub(crate) window: ConvGeometry,
}

/// Weights for one way.
pub(crate) fn pack(way: ConvKind, weights: Weights<'_>) -> Packed {
    match way {
        ConvKind::Conv2d => pack_down(weights),
        ConvKind::ConvTranspose2d => pack_up(weights),
    }
}

/// `[small, large]` values, read as 1x1 kernels.
pub(crate) fn pack_matrix(values: &[f32], channels: [usize; 2]) -> Packed {
    pack_down(Weights { values, channels, window: ConvGeometry::new(1, 1, 0) })
}

/// Large channels that one task handles.
const SHARE: usize = 64;

/// The sum runs over taps, then channels.
fn pack_down(weights: Weights<'_>) -> Packed {
    let [small, large] = weights.channels;
    let rows = weights.window.taps() * large;
    let lanes = Lanes::detect();
    let mut packed = Packed::new(1, [lanes.chunks(rows), lanes.chunks(small)], rows);
    let into = packed.writer();
    let shares = large.div_ceil(SHARE);
    (0..lanes.chunks(small) * shares).into_par_iter().for_each(|task| {
        dispatch(PackDown { weights, chunk: task / shares, first: task % shares * SHARE, into });
    });
    packed
}

/// A chunk of small channels and a share of the large ones.
struct PackDown<'a> {
    weights: Weights<'a>,
    chunk: usize,
    first: usize,
    into: PackedMut,
}

impl Task for PackDown<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) {
        let Self { weights, chunk, first, into } = self;
        let [small, large] = weights.channels;
        let taps = weights.window.taps();
        let p = chunk * S::F32_LANES;
        let used = S::F32_LANES.min(small - p);
        let mut square = Square::ZEROS;
        let last = (first + SHARE).min(large) * taps;
        for index in (first * taps..last).step_by(SIDE) {
            let count = SIDE.min(last - index);
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
fn pack_up(weights: Weights<'_>) -> Packed {
    let [small, large] = weights.channels;
    let lanes = Lanes::detect();
    let columns = lanes.chunks(weights.window.taps() * large);
    let mut packed = Packed::new(1, [lanes.chunks(small), columns], small);
    let into = packed.writer();
    (0..small).into_par_iter().with_min_len(8).for_each(|p| dispatch(PackUp { weights, p, into }));
    packed
}

/// One small channel.
struct PackUp<'a> {
    weights: Weights<'a>,
    p: usize,
    into: PackedMut,
}

impl Task for PackUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let Self { weights, p, into } = self;
        let width = S::F32_LANES;
        let large = weights.channels[1];
        let taps = weights.window.taps();
        let values = &weights.values[p * large * taps..][..large * taps];
        let mut row = Buffer::uncleared(large * taps);
        let mut square = Square::ZEROS;
        for q in (0..large).step_by(width) {
            let used = width.min(large - q);
            for tap in (0..taps).step_by(SIDE) {
                let count = SIDE.min(taps - tap);
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

/// Sums whose rows run over taps, then large channels, and whose columns are small channels, as
/// kernels `[small, large, taps]`.
pub(crate) fn unpack(sums: &Sums, [small, large]: [usize; 2], taps: usize, kernels: &mut [f32]) {
    let width = Lanes::detect().width;
    kernels.par_chunks_mut(width * large * taps).enumerate().for_each(|(chunk, kernels)| {
        let used = width.min(small - chunk * width);
        dispatch(Unpack { sums, chunk, used, large, taps, kernels });
    });
}

/// A chunk of small channels.
struct Unpack<'a> {
    sums: &'a Sums,
    chunk: usize,
    used: usize,
    large: usize,
    taps: usize,
    kernels: &'a mut [f32],
}

impl Task for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let Self { sums, chunk, used, large, taps, kernels } = self;
        let size = large * taps;
        let mut square = Square::ZEROS;
        for index in (0..size).step_by(SIDE) {
            let count = SIDE.min(size - index);
            for column in 0..count {
                let (q, tap) = ((index + column) / taps, (index + column) % taps);
                let row = sums.row(0, tap * large + q, chunk);
                // SAFETY: a register of the sums.
                square.set_column::<S>(column, unsafe { load_first(simd, row.as_ptr(), row.len()) });
            }
            for row in 0..used {
                square.put_row(row, &mut kernels[row * size + index..][..count]);
            }
        }
    }
}
