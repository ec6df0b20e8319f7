//! A vector times a matrix: one picture through a kernel as large as the map, the way that weights are
//! not laid out for.
//!
//! Every weight is used once, so the speed is that of memory: rows are read side by side, in order.

use pulp::Simd;
use rayon::prelude::*;

use super::lanes::{Task, dispatch, load_first, store_first};

/// Rows that are read side by side.
const ROWS_AT_ONCE: usize = 4;

/// Columns that one task handles at least.
const SHARE: usize = 1 << 9;

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
