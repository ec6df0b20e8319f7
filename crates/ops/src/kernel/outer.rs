//! Sums of outer products over all rows: the gradients of weights.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    engine::{Block, Gather, Rows},
    groups::Transposed,
    lanes::{Lanes, Task, dispatch},
    scratch::Buffer,
};

/// Values of both factors that are gathered at a time (8 MiB): they stay in the last-level cache.
const GATHERED: usize = 2 << 20;

/// `[plane][k][n]` sums.
pub(crate) struct Sums {
    values: Buffer,
    width: usize,
    inner: usize,
    /// Chunks of `n`.
    pub(crate) outer: usize,
}

impl Sums {
    /// A register of row `k`.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline(always)]
    pub(crate) fn row(&self, plane: usize, k: usize, chunk: usize) -> &[f32] {
        let row = (plane * self.inner * self.width + k) * self.outer + chunk;
        &self.values[row * self.width..][..self.width]
    }
}

impl Sums {
    /// The sums of the only plane as a matrix, rows side by side.
    pub(crate) fn into_matrix(mut self, rows: usize, columns: usize) -> Buffer {
        let pitch = self.outer * self.width;
        if pitch != columns {
            for row in 1..rows {
                self.values.copy_within(row * pitch..row * pitch + columns, row * columns);
            }
        }
        self.values.truncate(rows * columns);
        self.values
    }
}

/// A place that several tasks write, each its part.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: tasks write different parts.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    /// As for pointers.
    unsafe fn add(self, values: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(values) }
    }
}

/// `left^T right`, summed over `rows` rows, in every plane.
///
/// Threads first gather some rows together, then each sums up its own part of the result: the order
/// of the sum, and so the result to the last bit, does not depend on their number.
pub(crate) fn run<L: Gather, R: Gather>(rows: usize, planes: usize, left: &L, right: &R) -> Sums {
    let lanes = Lanes::detect();
    let inner = lanes.chunks(left.channels()) * left.unit();
    let outer = lanes.chunks(right.channels()) * right.unit();
    let per_group = planes * (inner + outer) * lanes.group();
    let groups = rows.div_ceil(lanes.rows);
    let most = (GATHERED / per_group).max(1);
    // Rounds of about the same size.
    let round = groups.div_ceil(groups.div_ceil(most).max(1)).max(1);
    let mut lefts = Buffer::uncleared(planes * round * inner * lanes.group());
    let mut rights = Buffer::uncleared(planes * round * outer * lanes.group());
    let mut sums = Sums {
        values: Buffer::uncleared(planes * inner * outer * lanes.width * lanes.width),
        width: lanes.width,
        inner,
        outer,
    };
    let result = Shared(sums.values.as_mut_ptr());
    for first in (0..groups).step_by(round) {
        let count = round.min(groups - first);
        let (plane_left, plane_right) = (count * inner * lanes.group(), count * outer * lanes.group());
        let (a, b) = (Shared(lefts.as_mut_ptr()), Shared(rights.as_mut_ptr()));
        (0..count).into_par_iter().for_each(|group| {
            let begin = (first + group) * lanes.rows;
            let rows = Rows { first: begin, count: lanes.rows.min(rows - begin) };
            // SAFETY: one group of each buffer, for this task alone.
            let (a, b) =
                unsafe { (a.add(group * inner * lanes.group()), b.add(group * outer * lanes.group())) };
            let left_block = Block { values: a, plane: plane_left, chunks: inner };
            let right_block = Block { values: b, plane: plane_right, chunks: outer };
            dispatch(Collect { rows, planes, left, right, left_block, right_block });
        });
        // Few chunks of rows: share out the columns too, a panel of two registers at a time.
        let shares = if planes * inner < 8 * rayon::current_num_threads() { outer.div_ceil(2) } else { 1 };
        (0..planes * inner * shares).into_par_iter().for_each(|task| {
            let (task, share) = (task / shares, task % shares);
            let panels = outer.div_ceil(2);
            let columns = (2 * (share * panels / shares), (2 * ((share + 1) * panels / shares)).min(outer));
            let (plane, chunk) = (task / inner, task % inner);
            // SAFETY: whole planes and chunks of the buffers; the chunk of the result is this task's.
            let (a, b, c) = unsafe {
                (
                    a.add(plane * plane_left + chunk * lanes.group()),
                    b.add(plane * plane_right),
                    result.add(task * outer * lanes.width * lanes.width),
                )
            };
            dispatch(Add(Transposed {
                a,
                a_group: inner * lanes.group(),
                b,
                b_group: outer * lanes.group(),
                outer,
                columns,
                groups: count,
                c,
                accumulate: first > 0,
            }));
        });
    }
    sums
}

/// Gathers one group of both factors.
struct Collect<'a, L, R> {
    rows: Rows,
    planes: usize,
    left: &'a L,
    right: &'a R,
    left_block: Block,
    right_block: Block,
}

impl<L: Gather, R: Gather> Task for Collect<'_, L, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let Self { rows, planes, left, right, left_block, right_block } = self;
        let width = S::F32_LANES;
        if rows.count < ROWS {
            // Rows behind the last one add nothing.
            for block in [left_block, right_block] {
                for plane in 0..planes {
                    // SAFETY: one group of each plane, for this task alone.
                    unsafe {
                        block.values.add(plane * block.plane).write_bytes(0, block.chunks * ROWS * width);
                    }
                }
            }
        }
        let units = |block: Block, unit: usize| (0, block.chunks / unit);
        // SAFETY: the blocks have room for a group of all units in every plane.
        unsafe {
            left.gather::<S, ROWS>(simd, rows, units(left_block, left.unit()), left_block);
            right.gather::<S, ROWS>(simd, rows, units(right_block, right.unit()), right_block);
        }
    }
}

struct Add(Transposed);

impl Task for Add {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        // SAFETY: whoever built it described live buffers.
        unsafe { self.0.run::<S, ROWS, HALF>(simd) }
    }
}
