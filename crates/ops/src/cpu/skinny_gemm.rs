//! A matrix times a few vectors, or one: a small batch through a kernel as large as the map.
//!
//! Registers lie along the rows of the matrix, which is read once, as it lies in memory; a tile of rows times
//! vectors is summed up in registers, and lanes are added up at the end. A part of the vectors stays in a
//! core's first-level cache while the same part of several rows goes by.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::Buffer,
    feature_map::{Shape, Sink},
    simd::{SimdKernel, SimdWidth, dispatch, load, load_first, store, store_first},
    weight_matrix::WeightRows,
};

/// Rows of a tile.
const TILE: usize = 4;

/// Rows that one task handles.
const ROWS_PER_TASK: usize = 32;

/// Values of the vectors that are to stay in the first-level cache: 24 KiB of 48 (or 32).
const L1_VALUES: usize = 6 << 10;

/// Columns of a part at most: this part of the tile and of the next one are to stay there too.
const MAX_COLUMNS: usize = 512;

/// Vectors from which on weights are prefetched: fewer read whole rows, which the processor foresees.
const PREFETCH_FROM: usize = 3;

/// `to[vector] = matrix from[vector]`.
pub(crate) fn skinny_gemm<M: WeightRows>(matrix: M, from: &[f32], to: &mut [f32]) {
    let [rows, columns] = matrix.sizes();
    let batch = from.len() / columns;
    let vectors = Vectors::new(from, columns);
    let sink = Sink::new(to, Shape { batch, height: 1, width: 1, channels: rows });
    (0..rows.div_ceil(ROWS_PER_TASK)).into_par_iter().with_max_len(1).for_each(|task| {
        let first = task * ROWS_PER_TASK;
        let rows = (first, (first + ROWS_PER_TASK).min(rows));
        dispatch(RowsKernel { matrix, rows, vectors: &vectors, sink });
    });
}

/// Vectors in blocks as large as a tile: `[block][register][vector][lane]`, zeros behind the last
/// column up to a whole pair of registers. What a tile reads lies side by side; vectors one behind the
/// other would compete for the same lines of the cache.
struct Vectors {
    values: Buffer,
    batch: usize,
    blocks: usize,
    /// Columns, up to a whole pair of registers.
    columns: usize,
}

impl Vectors {
    fn new(from: &[f32], columns: usize) -> Self {
        let simd = SimdWidth::detect();
        let batch = from.len() / columns;
        let padded = columns.next_multiple_of(2 * simd.lanes);
        // 4 x 6 sums, four weights and a value fit 32 registers; 4 x 3 fit 16.
        let blocks = batch.div_ceil(if simd.rows > 6 { 6 } else { 3 });
        let mut vectors = Self { values: Buffer::uncleared(batch * padded), batch, blocks, columns: padded };
        for block in 0..blocks {
            let (first, end) = vectors.block(block);
            let count = end - first;
            let values = &mut vectors.values[first * padded..end * padded];
            for (register, values) in values.chunks_exact_mut(count * simd.lanes).enumerate() {
                let at = register * simd.lanes;
                let used = columns.saturating_sub(at).min(simd.lanes);
                for (index, values) in values.chunks_exact_mut(simd.lanes).enumerate() {
                    let (values, zeros) = values.split_at_mut(used);
                    values.copy_from_slice(&from[(first + index) * columns + columns.min(at)..][..used]);
                    zeros.fill(0.0);
                }
            }
        }
        vectors
    }

    /// The first vector of a block, and the one behind its last.
    #[inline(always)]
    fn block(&self, block: usize) -> (usize, usize) {
        (block * self.batch / self.blocks, (block + 1) * self.batch / self.blocks)
    }
}

/// Some rows times all vectors.
struct RowsKernel<'a, M> {
    matrix: M,
    rows: (usize, usize),
    vectors: &'a Vectors,
    sink: Sink,
}

impl<M: WeightRows> SimdKernel for RowsKernel<'_, M> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let Self { matrix, rows: (first_row, last_row), vectors, sink } = self;
        let batch = vectors.batch;
        let pairs = vectors.columns / (2 * S::F32_LANES);
        let near = match batch {
            0..PREFETCH_FROM => pairs,
            _ => ((L1_VALUES / batch).min(MAX_COLUMNS) / (2 * S::F32_LANES)).max(4),
        };
        let tiles = (last_row - first_row).div_ceil(TILE);
        let mut sums = Buffer::uncleared(tiles * TILE * batch * S::F32_LANES);
        for first in (0..pairs).step_by(near) {
            for tile in 0..tiles {
                let rows = tile_rows(matrix, first_row + tile * TILE, last_row);
                let next = tile_rows(matrix, first_row + (tile + 1) % tiles * TILE, last_row);
                let skipped = if tile + 1 == tiles { near } else { 0 };
                for block in 0..vectors.blocks {
                    let (vector, end) = vectors.block(block);
                    let step = TileStep {
                        matrix,
                        rows,
                        ahead: (block == 0 && batch >= PREFETCH_FROM).then_some((next, skipped)),
                        vectors: &vectors.values[vector * vectors.columns..end * vectors.columns],
                        pairs: (first, (first + near).min(pairs)),
                        sums: &mut sums[(tile * batch + vector) * TILE * S::F32_LANES..]
                            [..(end - vector) * TILE * S::F32_LANES],
                    };
                    match end - vector {
                        1 => step.run::<S, 1>(simd),
                        2 => step.run::<S, 2>(simd),
                        3 => step.run::<S, 3>(simd),
                        4 => step.run::<S, 4>(simd),
                        5 => step.run::<S, 5>(simd),
                        _ => step.run::<S, 6>(simd),
                    }
                }
            }
        }
        for vector in 0..batch {
            let result = sink.pixel(vector, 0, 0);
            for row in first_row..last_row {
                let (tile, index) = ((row - first_row) / TILE, (row - first_row) % TILE);
                let sum = &sums[((tile * batch + vector) * TILE + index) * S::F32_LANES..][..S::F32_LANES];
                // SAFETY: `sum` is a register; the result has this row, which is this task's alone.
                unsafe { *result.add(row) = simd.reduce_sum_f32s(load::<S>(sum.as_ptr())) }
            }
        }
    }
}

/// The rows of a tile; a row that is missing at the end is the last one again.
#[inline(always)]
fn tile_rows<M: WeightRows>(matrix: M, row: usize, end: usize) -> [*const M::Value; TILE] {
    let mut rows = [matrix.row(row); TILE];
    for (index, pointer) in rows.iter_mut().enumerate() {
        *pointer = matrix.row((row + index).min(end - 1));
    }
    rows
}

/// A part of four rows times the same part of some vectors, added to what came before.
struct TileStep<'a, M: WeightRows> {
    matrix: M,
    rows: [*const M::Value; TILE],
    /// The next tile's rows, and how many pairs further its part is; nothing where they have been
    /// prefetched.
    ahead: Option<([*const M::Value; TILE], usize)>,
    /// A block.
    vectors: &'a [f32],
    pairs: (usize, usize),
    /// `[vector][row][lane]`
    sums: &'a mut [f32],
}

impl<M: WeightRows> TileStep<'_, M> {
    #[inline(always)]
    fn run<S: Simd, const COUNT: usize>(self, simd: S) {
        let columns = self.matrix.sizes()[1];
        let pair = 2 * S::F32_LANES;
        assert!(
            self.vectors.len() == COUNT * columns.next_multiple_of(pair)
                && self.sums.len() == COUNT * TILE * S::F32_LANES
        );
        let mut sums = [[simd.splat_f32s(0.0); TILE]; COUNT];
        let (first, last) = self.pairs;
        if first > 0 {
            for (index, sums) in sums.iter_mut().enumerate() {
                for (row, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: `self.sums` has a register for each.
                    *sum = unsafe { load::<S>(self.sums.as_ptr().add((index * TILE + row) * S::F32_LANES)) };
                }
            }
        }
        for at in first..last.min(columns / pair) {
            for half in 0..2 {
                if let Some((rows, skipped)) = self.ahead {
                    for row in rows {
                        M::prefetch::<S>(row, at + skipped, half);
                    }
                }
                let mut weights = [simd.splat_f32s(0.0); TILE];
                for (weights, row) in weights.iter_mut().zip(self.rows) {
                    // SAFETY: this pair is whole.
                    *weights = unsafe { M::load_full(simd, row, at, half) };
                }
                // SAFETY: there are `COUNT` vectors of whole pairs.
                unsafe { multiply(simd, self.vectors, 2 * at + half, weights, &mut sums) };
            }
        }
        if last * pair > columns {
            for half in 0..2 {
                let mut weights = [simd.splat_f32s(0.0); TILE];
                for (weights, row) in weights.iter_mut().zip(self.rows) {
                    // SAFETY: this is the last pair.
                    *weights = unsafe { self.matrix.load_last(simd, row, last - 1, half) };
                }
                // SAFETY: as above.
                unsafe { multiply(simd, self.vectors, 2 * (last - 1) + half, weights, &mut sums) };
            }
        }
        for (index, sums) in sums.into_iter().enumerate() {
            for (row, sum) in sums.into_iter().enumerate() {
                // SAFETY: `self.sums` has a register for each.
                unsafe { store::<S>(self.sums.as_mut_ptr().add((index * TILE + row) * S::F32_LANES), sum) };
            }
        }
    }
}

/// Adds to the sums a register of each row times the same one of each vector.
///
/// # Safety
/// The block's vectors must have that register.
#[inline(always)]
unsafe fn multiply<S: Simd, const COUNT: usize>(
    simd: S,
    block: &[f32],
    register: usize,
    weights: [S::f32s; TILE],
    sums: &mut [[S::f32s; TILE]; COUNT],
) {
    for (index, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        let values = unsafe { load::<S>(block.as_ptr().add((register * COUNT + index) * S::F32_LANES)) };
        for (sum, weights) in sums.iter_mut().zip(weights) {
            *sum = simd.mul_add_e_f32s(weights, values, *sum);
        }
    }
}

/// Rows that are read side by side.
const ROWS_AT_ONCE: usize = 4;

/// Columns that one task handles at least.
const COLUMNS_PER_TASK: usize = 1 << 9;

/// A vector times a matrix, `to = sum over rows of from[row] weights[row]`: one image through a kernel as
/// large as the map, by weights that are not packed. Every weight is used once, so the speed is that of
/// memory: rows are read side by side, in order.
pub(crate) fn gemv(weights: &[f32], from: &[f32], to: &mut [f32]) {
    let columns = to.len();
    // A part of the columns for each thread: its part of a row is read in order.
    let part = columns.div_ceil(rayon::current_num_threads()).next_multiple_of(64).max(COLUMNS_PER_TASK);
    to.par_chunks_mut(part).enumerate().for_each(|(index, to)| {
        to.fill(0.0);
        dispatch(GemvKernel { weights: &weights[index * part..], columns, from, to });
    });
}

struct GemvKernel<'a> {
    weights: &'a [f32],
    columns: usize,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl SimdKernel for GemvKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
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
