//! A matrix times one vector: a single picture through a kernel as large as the map.
//!
//! Every weight is used once, so the speed is that of memory: rows are read side by side, in order,
//! and nothing is laid out.

use pulp::Simd;
use rayon::prelude::*;

use super::lanes::{Task, dispatch, load_first, store_first};

/// Rows that are read side by side.
const ROWS_AT_ONCE: usize = 4;

/// Rows, or columns, that one task handles.
const SHARE: usize = 1 << 9;

/// `to[row] = weights[row] . from`.
pub(crate) fn rows(weights: &[f32], from: &[f32], to: &mut [f32]) {
    let columns = from.len();
    to.par_chunks_mut(ROWS_AT_ONCE * 16).zip(weights.par_chunks(ROWS_AT_ONCE * 16 * columns)).for_each(
        |(to, weights)| {
            for (to, weights) in to.chunks_mut(ROWS_AT_ONCE).zip(weights.chunks(ROWS_AT_ONCE * columns)) {
                dispatch(Dot { weights, from, to });
            }
        },
    );
}

struct Dot<'a> {
    weights: &'a [f32],
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Task for Dot<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let columns = self.from.len();
        // A row that is missing at the end is the first one again.
        let mut row = [self.weights.as_ptr(); ROWS_AT_ONCE];
        for (index, row) in row.iter_mut().enumerate().take(self.to.len()) {
            *row = self.weights[index * columns..][..columns].as_ptr();
        }
        let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS_AT_ONCE];
        let mut at = 0;
        while at < columns {
            for half in 0..2 {
                let first = at + half * S::F32_LANES;
                if first >= columns {
                    break;
                }
                let left = columns - first;
                // SAFETY: each row, and the vector, has `left` values from here.
                unsafe {
                    let x = load_first(simd, self.from.as_ptr().add(first), left);
                    for (row, sums) in row.iter().zip(sums.iter_mut()) {
                        sums[half] =
                            simd.mul_add_e_f32s(load_first(simd, row.add(first), left), x, sums[half]);
                    }
                }
            }
            at += 2 * S::F32_LANES;
        }
        for (to, [even, odd]) in self.to.iter_mut().zip(sums) {
            *to = simd.reduce_sum_f32s(simd.add_f32s(even, odd));
        }
    }
}

/// `to = sum over rows of from[row] weights[row]`.
pub(crate) fn columns(weights: &[f32], from: &[f32], to: &mut [f32]) {
    let columns = to.len();
    // A share of the columns for each thread: its part of a row is read in order.
    let share = columns.div_ceil(rayon::current_num_threads()).next_multiple_of(64).max(SHARE);
    to.par_chunks_mut(share).enumerate().for_each(|(index, to)| {
        to.fill(0.0);
        dispatch(Add { weights: &weights[index * share..], columns, from, to });
    });
}

struct Add<'a> {
    weights: &'a [f32],
    columns: usize,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Task for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        for (group, from) in self.from.chunks(ROWS_AT_ONCE).enumerate() {
            let mut row = [self.weights.as_ptr(); ROWS_AT_ONCE];
            let mut factor = [simd.splat_f32s(0.0); ROWS_AT_ONCE];
            for (index, value) in from.iter().enumerate() {
                row[index] =
                    self.weights[(group * ROWS_AT_ONCE + index) * self.columns..][..self.to.len()].as_ptr();
                factor[index] = simd.splat_f32s(*value);
            }
            for first in (0..self.to.len()).step_by(S::F32_LANES) {
                let left = self.to.len() - first;
                // SAFETY: the result, and each row, has `left` values from here.
                unsafe {
                    let to = self.to.as_mut_ptr().add(first);
                    let mut sum = load_first(simd, to, left);
                    for (row, factor) in row.iter().zip(factor) {
                        sum = simd.mul_add_e_f32s(load_first(simd, row.add(first), left), factor, sum);
                    }
                    store_first(simd, to, left, sum);
                }
            }
        }
    }
}
