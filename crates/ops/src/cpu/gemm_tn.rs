//! Products with a transposed left factor, `a^T b`, summed over all rows: the gradients of weights.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::{Buffer, SharedMut},
    gemm::{Block, BlockRange, PackInput},
    simd::{SimdKernel, SimdWidth, dispatch, load, store},
};

/// Values of both factors that are packed at a time (8 MiB): they stay in the last-level cache.
const PACKED_VALUES: usize = 2 << 20;

/// `[plane][k][n]` sums.
pub(crate) struct TnProduct {
    values: Buffer,
    width: usize,
    inner: usize,
    /// Chunks of `n`.
    pub(crate) outer: usize,
}

impl TnProduct {
    /// A register of row `k`.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline(always)]
    pub(crate) fn row(&self, plane: usize, k: usize, chunk: usize) -> &[f32] {
        let row = (plane * self.inner * self.width + k) * self.outer + chunk;
        &self.values[row * self.width..][..self.width]
    }

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

/// `left^T right`, summed over `rows` rows, in every plane.
///
/// Threads first pack some rows together, then each sums up its own part of the result: the order
/// of the sum, and so the result to the last bit, does not depend on their number.
pub(crate) fn gemm_tn<L: PackInput, R: PackInput>(
    rows: usize,
    planes: usize,
    left: &L,
    right: &R,
) -> TnProduct {
    let simd = SimdWidth::detect();
    let inner = simd.chunks(left.channels()) * left.unit();
    let outer = simd.chunks(right.channels()) * right.unit();
    let per_row_panel = planes * (inner + outer) * simd.panel();
    let row_panels = rows.div_ceil(simd.rows);
    let most = (PACKED_VALUES / per_row_panel).max(1);
    // Rounds of about the same size.
    let round = row_panels.div_ceil(row_panels.div_ceil(most).max(1)).max(1);
    let mut lefts = Buffer::uncleared(planes * round * inner * simd.panel());
    let mut rights = Buffer::uncleared(planes * round * outer * simd.panel());
    let mut sums = TnProduct {
        values: Buffer::uncleared(planes * inner * outer * simd.lanes * simd.lanes),
        width: simd.lanes,
        inner,
        outer,
    };
    let result = SharedMut::new(&mut sums.values);
    for first in (0..row_panels).step_by(round) {
        let count = round.min(row_panels - first);
        let (plane_left, plane_right) = (count * inner * simd.panel(), count * outer * simd.panel());
        let (a, b) = (SharedMut::new(&mut lefts), SharedMut::new(&mut rights));
        (0..count).into_par_iter().for_each(|row_panel| {
            let first_row = (first + row_panel) * simd.rows;
            let rows = simd.rows.min(rows - first_row);
            // SAFETY: one row panel of each buffer, for this task alone.
            let (a, b) =
                unsafe { (a.add(row_panel * inner * simd.panel()), b.add(row_panel * outer * simd.panel())) };
            let left_block = Block { values: a, plane: plane_left, chunks: inner };
            let right_block = Block { values: b, plane: plane_right, chunks: outer };
            dispatch(PackKernel { first_row, rows, planes, left, right, left_block, right_block });
        });
        // Few chunks of rows: split up the columns too, a panel of two registers at a time.
        let splits = if planes * inner < 8 * rayon::current_num_threads() { outer.div_ceil(2) } else { 1 };
        (0..planes * inner * splits).into_par_iter().for_each(|task| {
            let (task, split) = (task / splits, task % splits);
            let panels = outer.div_ceil(2);
            let columns = (2 * (split * panels / splits), (2 * ((split + 1) * panels / splits)).min(outer));
            let (plane, chunk) = (task / inner, task % inner);
            // SAFETY: whole planes and chunks of the buffers; the chunk of the result is this task's.
            let (a, b, c) = unsafe {
                (
                    a.add(plane * plane_left + chunk * simd.panel()),
                    b.add(plane * plane_right),
                    result.add(task * outer * simd.lanes * simd.lanes),
                )
            };
            dispatch(ProductKernel {
                a,
                a_panel: inner * simd.panel(),
                b,
                b_panel: outer * simd.panel(),
                outer,
                columns,
                row_panels: count,
                c,
                accumulate: first > 0,
            });
        });
    }
    sums
}

/// Packs one row panel of both factors.
struct PackKernel<'a, L, R> {
    first_row: usize,
    rows: usize,
    planes: usize,
    left: &'a L,
    right: &'a R,
    left_block: Block,
    right_block: Block,
}

impl<L: PackInput, R: PackInput> SimdKernel for PackKernel<'_, L, R> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let Self { first_row, rows, planes, left, right, left_block, right_block } = self;
        let width = S::F32_LANES;
        if rows < ROWS {
            // Rows behind the last one add nothing.
            for block in [left_block, right_block] {
                for plane in 0..planes {
                    // SAFETY: one row panel of each plane, for this task alone.
                    unsafe {
                        block.values.add(plane * block.plane).write_bytes(0, block.chunks * ROWS * width);
                    }
                }
            }
        }
        let range =
            |block: Block, unit: usize| BlockRange { first_row, rows, columns: (0, block.chunks / unit) };
        // SAFETY: the blocks have room for a row panel of all units in every plane.
        unsafe {
            left.pack::<S, ROWS>(simd, range(left_block, left.unit()), left_block);
            right.pack::<S, ROWS>(simd, range(right_block, right.unit()), right_block);
        }
    }
}

/// `c (+)= a^T b` of row panels, summed over all rows. `a`, `b` and `c` hold what the fields say, `c`
/// exclusively.
struct ProductKernel {
    /// The chunk of `a` whose columns become rows of `c`.
    a: *const f32,
    a_panel: usize,
    b: *const f32,
    b_panel: usize,
    /// Chunks of `b`, and which of them are used.
    outer: usize,
    columns: (usize, usize),
    /// Row panels; rows behind the last one must hold zeros in `a` or `b`, and no NaN.
    row_panels: usize,
    /// `[column of a in its chunk][column of b]`, `outer` registers a row.
    c: *mut f32,
    accumulate: bool,
}

impl SimdKernel for ProductKernel {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let (mut outer, last) = self.columns;
        while outer < last {
            // SAFETY: all offsets stay inside the matrices of the fields, which live; `c` is this task's.
            unsafe {
                let mut first = 0;
                while first < width {
                    if outer + 1 < last {
                        self.kernel::<S, ROWS, T_ROWS, 2>(simd, first, outer);
                    } else {
                        self.kernel::<S, ROWS, T_ROWS, 1>(simd, first, outer);
                    }
                    first += T_ROWS;
                }
            }
            outer += 2;
        }
    }
}

impl ProductKernel {
    #[inline(always)]
    unsafe fn kernel<S: Simd, const ROWS: usize, const T_ROWS: usize, const COLUMNS: usize>(
        &self,
        simd: S,
        first: usize,
        outer: usize,
    ) {
        let width = S::F32_LANES;
        let pitch = self.outer * width;
        // SAFETY: as for `run`.
        unsafe {
            let c = self.c.add(first * pitch + outer * width);
            let mut sums = [[simd.splat_f32s(0.0); COLUMNS]; T_ROWS];
            if self.accumulate {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (column, sum) in sums.iter_mut().enumerate() {
                        *sum = load::<S>(c.add(row * pitch + column * width));
                    }
                }
            }
            for row_panel in 0..self.row_panels {
                let a = self.a.add(row_panel * self.a_panel + first);
                let b = self.b.add(row_panel * self.b_panel + outer * ROWS * width);
                for row in 0..ROWS {
                    let mut factors = [simd.splat_f32s(0.0); COLUMNS];
                    for (column, factor) in factors.iter_mut().enumerate() {
                        *factor = load::<S>(b.add((column * ROWS + row) * width));
                    }
                    for (lane, sums) in sums.iter_mut().enumerate() {
                        let value = simd.splat_f32s(*a.add(row * width + lane));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = simd.mul_add_e_f32s(value, factor, *sum);
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (column, sum) in sums.iter().enumerate() {
                    store::<S>(c.add(row * pitch + column * width), *sum);
                }
            }
        }
    }
}
