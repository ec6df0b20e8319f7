//! Matrix products whose left factor is packed from a feature map, block by block, and whose result is stored
//! to one.
//!
//! Each block of rows stays in a core's cache from packing to storing, so nothing of the size of an unfolded
//! image (im2col) is ever in memory.
//!
//! A matrix of `t` rows and `k` columns lies as `[row panel][chunk][row][lane]`: rows in panels of
//! [`SimdWidth::rows`], columns in chunks of one register. A convolution's rows are tiles or positions, its
//! columns channels. The layout is at once the left factor of a product (one base register reaches every row
//! of a chunk), the right factor of a product with a transposed left factor ([`super::gemm_tn`]), and the
//! result of either: nothing is packed between them. Only weights have a layout of their own,
//! [`PackedMatrix`].

use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::{Buffer, SharedMut},
    simd::{SimdKernel, SimdWidth, dispatch, load, store},
};

/// What one thread packs or stores at a time.
#[derive(Clone, Copy)]
pub(crate) struct BlockRange {
    /// The first of the rows of the product, and how many.
    pub(crate) first_row: usize,
    pub(crate) rows: usize,
    /// Packing: units of the sum. Storing: chunks of the columns.
    pub(crate) columns: (usize, usize),
}

/// A block of rows being written or read: `[plane][row panel][chunk][row][lane]`.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) values: *mut f32,
    /// Values from plane to plane.
    pub(crate) plane: usize,
    /// Chunks of a row.
    pub(crate) chunks: usize,
}

impl Block {
    /// Where `chunk` of row `row` of the first plane begins.
    ///
    /// # Safety
    /// The block must have that chunk and row.
    #[inline(always)]
    pub(crate) unsafe fn at<const ROWS: usize>(&self, width: usize, row: usize, chunk: usize) -> *mut f32 {
        let (row_panel, row) = (row / ROWS, row % ROWS);
        // SAFETY: the caller's promise.
        unsafe { self.values.add(((row_panel * self.chunks + chunk) * ROWS + row) * width) }
    }
}

/// The first step: reads an input map and writes left factors.
pub(crate) trait PackInput: Sync {
    /// Smallest part of the sum that can be packed by itself, in chunks.
    fn unit(&self) -> usize {
        1
    }

    /// Columns that a unit's chunks are cut from.
    fn channels(&self) -> usize;

    /// Writes a range into `block`, which holds just these units.
    ///
    /// # Safety
    /// `block` must have room for the rows and units, for the writer alone.
    unsafe fn pack<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block);
}

/// The last step: reads products and writes an output map.
pub(crate) trait StoreOutput: Sync {
    /// Writes a range from `block`, which holds all chunks of the rows.
    ///
    /// # Safety
    /// `block` must hold the rows; nothing else may use what the range stands for in the destination.
    unsafe fn store_output<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block);
}

/// How the work is cut up: blocks of rows, parts of the sum, and ranges of the columns.
struct Plan {
    /// Rows in a block, a multiple of a row panel's.
    block: usize,
    /// Units of the sum packed at a time.
    units: usize,
    /// Ranges that the column panels are split into.
    splits: usize,
}

/// Values that a block may take: about half of a core's second-level cache of 1 MiB.
const BLOCK_VALUES: usize = 160 << 10;

impl Plan {
    fn new(simd: SimdWidth, rows: usize, unit: usize, weights: &PackedMatrix) -> Self {
        let units_in_all = weights.shape.inner / unit;
        // A few hundred values of the sum at a time amortize a tile's loads and stores.
        let units = units_in_all
            .min((256 / simd.lanes).div_ceil(unit).max(1) * if weights.shape.planes == 1 { 2 } else { 1 });
        let panel = simd.panel() * weights.shape.planes;
        let per_row_panel = panel * (units * unit + weights.shape.outer);
        let row_panels = rows.div_ceil(simd.rows);
        let most = (BLOCK_VALUES / per_row_panel).clamp(1, 16);
        let threads = rayon::current_num_threads();
        let panels = weights.shape.outer.div_ceil(2);
        if row_panels < 4 * threads && panels >= threads && threads > 1 {
            // Few rows, many weights: every thread takes all rows and its range of the columns.
            return Self { block: row_panels.min(most) * simd.rows, units, splits: threads };
        }
        // As many blocks as make the threads end together.
        let blocks = row_panels.div_ceil(most).next_multiple_of(threads);
        Self { block: row_panels.div_ceil(blocks) * simd.rows, units, splits: 1 }
    }
}

/// Packs `rows` rows of the input, multiplies them by `weights`, stores the output.
pub(crate) fn gemm<I: PackInput, O: StoreOutput>(rows: usize, input: &I, weights: &PackedMatrix, output: &O) {
    let plan = Plan::new(weights.shape.simd, rows, input.unit(), weights);
    let blocks = rows.div_ceil(plan.block);
    let panels = weights.shape.outer.div_ceil(2);
    let one = |task: usize| {
        let (block, split) = (task / plan.splits, task % plan.splits);
        let first = block * plan.block;
        let panels = (split * panels / plan.splits, (split + 1) * panels / plan.splits);
        let rows = plan.block.min(rows - first);
        dispatch(BlockKernel { first_row: first, rows, panels, units: plan.units, input, weights, output });
    };
    match blocks * plan.splits {
        1 => one(0),
        tasks => (0..tasks).into_par_iter().with_max_len(1).for_each(one),
    }
}

/// One block and one range of the columns.
struct BlockKernel<'a, I, O> {
    first_row: usize,
    rows: usize,
    panels: (usize, usize),
    units: usize,
    input: &'a I,
    weights: &'a PackedMatrix,
    output: &'a O,
}

impl<I: PackInput, O: StoreOutput> SimdKernel for BlockKernel<'_, I, O> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let Self { first_row, rows, panels, units, input, weights, output } = self;
        let unit = input.unit();
        let units_in_all = weights.shape.inner / unit;
        let row_panels = rows.div_ceil(ROWS);
        let panel = ROWS * S::F32_LANES;
        let mut left = Buffer::uncleared(weights.shape.planes * row_panels * units * unit * panel);
        let mut products = Buffer::uncleared(weights.shape.planes * row_panels * weights.shape.outer * panel);
        let result = Block {
            values: products.as_mut_ptr(),
            plane: row_panels * weights.shape.outer * panel,
            chunks: weights.shape.outer,
        };
        let mut first = 0;
        while first < units_in_all {
            let last = (first + units).min(units_in_all);
            let chunks = (last - first) * unit;
            let block = Block { values: left.as_mut_ptr(), plane: row_panels * chunks * panel, chunks };
            let range = BlockRange { first_row, rows, columns: (first, last) };
            // SAFETY: `left` has room for `row_panels` row panels of `units` units in every plane.
            unsafe { input.pack::<S, ROWS>(simd, range, block) };
            for plane in 0..weights.shape.planes {
                let product = Product {
                    // SAFETY: the offsets are whole planes of the buffers above.
                    a: unsafe { block.values.add(plane * block.plane) },
                    a_panel: chunks * panel,
                    inner: chunks,
                    // SAFETY: as above, of the weights.
                    b: unsafe { weights.values.as_ptr().add(plane * weights.shape.plane()) },
                    b_inner: weights.shape.inner,
                    b_first: first * unit,
                    outer: weights.shape.outer,
                    panels,
                    // SAFETY: as above.
                    c: unsafe { result.values.add(plane * result.plane) },
                    c_panel: weights.shape.outer * panel,
                    rows,
                    accumulate: first > 0,
                };
                // SAFETY: the fields describe the buffers above.
                unsafe { product.run::<S, ROWS>(simd) };
            }
            first = last;
        }
        let columns = (2 * panels.0, (2 * panels.1).min(weights.shape.outer));
        // SAFETY: every chunk of these panels has been computed; tasks have disjoint rows or panels.
        unsafe { output.store_output::<S, ROWS>(simd, BlockRange { first_row, rows, columns }, result) };
    }
}

/// One product of row panels: `c (+)= a b` over some chunks of `k` and some panels of `b`.
#[derive(Clone, Copy)]
struct Product {
    /// First chunk of the first row panel of `a`.
    a: *const f32,
    /// Values from one row panel of `a` to the next.
    a_panel: usize,
    /// Chunks of `k` to run over.
    inner: usize,
    /// The plane of a [`PackedMatrix`].
    b: *const f32,
    /// Chunks of `k` in `b` altogether, and the first one used.
    b_inner: usize,
    b_first: usize,
    /// Chunks of `n` in `b` altogether; the panels used are `panels.0..panels.1`.
    outer: usize,
    panels: (usize, usize),
    c: *mut f32,
    /// Values from one row panel of `c` to the next.
    c_panel: usize,
    /// Rows altogether; the last row panel may be partly filled.
    rows: usize,
    /// Whether `c` already holds a part of the sum.
    accumulate: bool,
}

impl Product {
    /// # Safety
    /// `a`, `b` and `c` must hold what the fields say, `c` exclusively.
    #[inline(always)]
    unsafe fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        for panel in self.panels.0..self.panels.1 {
            let double = 2 * panel + 1 < self.outer;
            let registers = if double { 2 } else { 1 };
            let skipped = panel * self.b_inner * width * 2 * width;
            // SAFETY: all offsets stay inside the matrices the caller vouches for.
            unsafe {
                let b = self.b.add(skipped + self.b_first * width * registers * width);
                let mut left = self.rows;
                let mut row_panel = 0;
                while left > 0 {
                    let a = self.a.add(row_panel * self.a_panel);
                    let c = self.c.add(row_panel * self.c_panel + 2 * panel * ROWS * width);
                    let rows = left.min(ROWS);
                    if double {
                        self.tile::<S, ROWS, 2>(simd, a, b, c, rows);
                    } else {
                        self.tile::<S, ROWS, 1>(simd, a, b, c, rows);
                    }
                    left -= rows;
                    row_panel += 1;
                }
            }
        }
    }

    /// Picks the smallest kernel that covers the rows.
    #[inline(always)]
    unsafe fn tile<S: Simd, const ROWS: usize, const COLUMNS: usize>(
        &self,
        simd: S,
        a: *const f32,
        b: *const f32,
        c: *mut f32,
        rows: usize,
    ) {
        // SAFETY: as for `run`; rows behind the last one exist in the layout, whatever they hold.
        unsafe {
            match (ROWS, rows) {
                (14, 9..) => self.kernel::<S, ROWS, 14, COLUMNS>(simd, a, b, c),
                (14, 5..=8) => self.kernel::<S, ROWS, 8, COLUMNS>(simd, a, b, c),
                (_, 5..) => self.kernel::<S, ROWS, 6, COLUMNS>(simd, a, b, c),
                (_, 2..=4) => self.kernel::<S, ROWS, 4, COLUMNS>(simd, a, b, c),
                _ => self.kernel::<S, ROWS, 1, COLUMNS>(simd, a, b, c),
            }
        }
    }

    #[inline(always)]
    unsafe fn kernel<S: Simd, const ROWS: usize, const USED: usize, const COLUMNS: usize>(
        &self,
        simd: S,
        mut a: *const f32,
        mut b: *const f32,
        c: *mut f32,
    ) {
        let width = S::F32_LANES;
        // SAFETY: as for `run`.
        unsafe {
            let mut sums = [[simd.splat_f32s(0.0); COLUMNS]; USED];
            if self.accumulate {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (column, sum) in sums.iter_mut().enumerate() {
                        *sum = load::<S>(c.add((column * ROWS + row) * width));
                    }
                }
            }
            for _ in 0..self.inner {
                for k in 0..width {
                    let mut factors = [simd.splat_f32s(0.0); COLUMNS];
                    for (column, factor) in factors.iter_mut().enumerate() {
                        *factor = load::<S>(b.add(column * width));
                    }
                    b = b.add(COLUMNS * width);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let value = simd.splat_f32s(*a.add(row * width + k));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = simd.mul_add_e_f32s(value, factor, *sum);
                        }
                    }
                }
                a = a.add(ROWS * width);
            }
            for (row, sums) in sums.iter().enumerate() {
                for (column, sum) in sums.iter().enumerate() {
                    store::<S>(c.add((column * ROWS + row) * width), *sum);
                }
            }
        }
    }
}

/// Sizes of packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedShape {
    pub(crate) planes: usize,
    /// Chunks of the sum.
    pub(crate) inner: usize,
    /// Chunks of columns.
    pub(crate) outer: usize,
    pub(crate) simd: SimdWidth,
}

impl PackedShape {
    /// Values in a plane.
    pub(crate) fn plane(&self) -> usize {
        self.inner * self.outer * self.simd.lanes * self.simd.lanes
    }

    /// Where row `k` of a chunk of columns begins.
    #[inline(always)]
    fn index(&self, plane: usize, k: usize, chunk: usize) -> usize {
        let width = self.simd.lanes;
        let panel = chunk / 2;
        let registers = if 2 * panel + 1 == self.outer { 1 } else { 2 };
        plane * self.plane() + panel * self.inner * width * 2 * width + (k * registers + chunk % 2) * width
    }
}

/// Right factors of several products, `[plane][panel][k][register of the panel][lane]`.
///
/// A panel is two registers wide, the last one single where the number of chunks is odd.
pub(crate) struct PackedMatrix {
    pub(crate) values: Buffer,
    pub(crate) shape: PackedShape,
}

impl PackedMatrix {
    /// Weights to be written: `channels` rows of the `inner` chunks of the sum, the others are zero.
    pub(crate) fn new(planes: usize, [inner, outer]: [usize; 2], channels: usize) -> Self {
        let shape = PackedShape { planes, inner, outer, simd: SimdWidth::detect() };
        let size = planes * shape.plane();
        let whole = channels.is_multiple_of(shape.simd.lanes);
        let values = if whole { Buffer::uncleared(size) } else { Buffer::zeroed(size) };
        Self { values, shape }
    }

    /// For several threads to write, each its own.
    pub(crate) fn writer(&mut self) -> PackedMatrixMut {
        PackedMatrixMut { values: SharedMut::new(&mut self.values), shape: self.shape }
    }
}

/// Packed weights that several threads write.
#[derive(Clone, Copy)]
pub(crate) struct PackedMatrixMut {
    values: SharedMut,
    pub(crate) shape: PackedShape,
}

impl PackedMatrixMut {
    /// Where row `k` of a chunk of columns begins.
    ///
    /// # Safety
    /// The weights must live, and have this plane, row and chunk.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, plane: usize, k: usize, chunk: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.values.add(self.shape.index(plane, k, chunk)) }
    }
}
