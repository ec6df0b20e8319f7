//! The gradient of the weights: the same algorithm transposed.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    PARITIES, PLANES, Tiles,
    gather::{Spread, Windows},
    transform::fold,
};
use crate::kernel::{
    lanes::{Task, dispatch, load},
    map::Source,
    outer::{self, Sums},
    weights::KernelsMut,
};

/// Gradient of the weights: what each tap of [`down`] contributed to a small map with this gradient.
pub(crate) fn weight_gradient(large: Source<'_>, small: Source<'_>, gradient: KernelsMut<'_>) {
    let tiles = Tiles::covering(small.shape);
    let sums = outer::run(
        tiles.all,
        PLANES,
        &Windows::of_convolution(large, tiles),
        &Spread { source: small, tiles },
    );
    let tasks = sums.outer * gradient.channels[1];
    (0..tasks).into_par_iter().with_min_len(16).for_each(|task| {
        let (chunk, q) = (task % sums.outer, task / sums.outer);
        dispatch(Collect { sums: &sums, gradient, chunk, q });
    });
}

/// Turns the sums of one channel of the large map and one chunk of the small one's into taps.
struct Collect<'a> {
    sums: &'a Sums,
    gradient: KernelsMut<'a>,
    chunk: usize,
    q: usize,
}

impl Task for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let mut taps = [simd.splat_f32s(0.0); 16];
        for (parity, [row, column]) in PARITIES.into_iter().enumerate() {
            let k = (self.q / width * 4 + parity) * width + self.q % width;
            let mut u = [[simd.splat_f32s(0.0); 3]; 3];
            for (y, values) in u.iter_mut().enumerate() {
                for (x, value) in values.iter_mut().enumerate() {
                    // SAFETY: the slice is one register.
                    *value = unsafe { load::<S>(self.sums.row(3 * y + x, k, self.chunk).as_ptr()) };
                }
            }
            for (y, values) in fold(simd, u).into_iter().enumerate() {
                for (x, value) in values.into_iter().enumerate() {
                    taps[(2 * y + row) * 4 + 2 * x + column] = value;
                }
            }
        }
        // SAFETY: this task alone writes these kernels.
        unsafe { self.gradient.set_across_small::<S>(self.chunk * width, self.q, taps) }
    }
}
