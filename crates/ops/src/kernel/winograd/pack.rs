//! Weights of minimal filtering.

use pulp::Simd;
use rayon::prelude::*;

use super::{PARITIES, PLANES, transform::filter};
use crate::{
    ConvKind,
    kernel::{
        lanes::{Lanes, Task, dispatch, store},
        weights::{Kernels, Packed, PackedMut},
    },
};

/// Weights for one way, transformed: one set for a convolution, one for each parity of an
/// up-convolution's result.
pub(crate) fn pack(way: ConvKind, kernels: Kernels<'_>) -> Vec<Packed> {
    match way {
        ConvKind::Conv2d => vec![pack_down(kernels)],
        ConvKind::ConvTranspose2d => pack_up(kernels).into(),
    }
}

/// The sum runs over the channels of the large map, four parities to a chunk.
fn pack_down(kernels: Kernels<'_>) -> Packed {
    let [small, large] = kernels.channels;
    let lanes = Lanes::detect();
    let mut packed = Packed::new(PLANES, [lanes.chunks(large) * 4, lanes.chunks(small)], large);
    let into = packed.writer();
    (0..into.shape.outer).into_par_iter().for_each(|chunk| dispatch(PackDown { kernels, chunk, into }));
    packed
}

struct PackDown<'a> {
    kernels: Kernels<'a>,
    chunk: usize,
    into: PackedMut,
}

impl Task for PackDown<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        for q in 0..self.kernels.channels[1] {
            let taps = self.kernels.across_small(simd, self.chunk * width, q);
            for (parity, [row, column]) in PARITIES.into_iter().enumerate() {
                let first = 4 * row + column;
                let g = filter(simd, [[taps[first], taps[first + 2]], [taps[first + 8], taps[first + 10]]]);
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
fn pack_up(kernels: Kernels<'_>) -> [Packed; 4] {
    let [small, large] = kernels.channels;
    let lanes = Lanes::detect();
    let mut packed = PARITIES.map(|_| Packed::new(PLANES, [lanes.chunks(small), lanes.chunks(large)], small));
    let into = packed.each_mut().map(Packed::writer);
    (0..lanes.chunks(large)).into_par_iter().for_each(|chunk| dispatch(PackUp { kernels, chunk, into }));
    packed
}

struct PackUp<'a> {
    kernels: Kernels<'a>,
    chunk: usize,
    into: [PackedMut; 4],
}

impl Task for PackUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        for p in 0..self.kernels.channels[0] {
            let taps = self.kernels.across_large(simd, p, self.chunk * S::F32_LANES);
            for (into, [row, column]) in self.into.iter().zip(PARITIES) {
                // Even rows hear of taps 3 and 1, odd rows of taps 2 and 0.
                let last = 4 * (3 - row) + 3 - column;
                let g = filter(simd, [[taps[last], taps[last - 2]], [taps[last - 8], taps[last - 10]]]);
                for (plane, value) in g.into_iter().enumerate() {
                    // SAFETY: this task alone writes this chunk of columns.
                    unsafe { store::<S>(into.at(plane, p, self.chunk), value) }
                }
            }
        }
    }
}
