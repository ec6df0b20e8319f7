//! A convolution as three motions: gather a block of the source into groups, multiply, deliver.
//!
//! Each block of rows stays in a core's cache from its gathering to its delivery, so nothing of the
//! size of an unfolded picture (im2col) is ever in memory.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    groups::Product,
    lanes::{Lanes, Task, dispatch},
    scratch::Buffer,
    weights::Packed,
};

/// Rows of a product that one thread has at a time: `count` of them, from `first` on.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// A block in groups, being written or read: `[plane][group][chunk][row][lane]`.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) values: *mut f32,
    /// Values from plane to plane.
    pub(crate) plane: usize,
    /// Chunks of a group.
    pub(crate) chunks: usize,
}

impl Block {
    /// Where `chunk` of row `row` of the first plane begins.
    ///
    /// # Safety
    /// The block must have that chunk and row.
    #[inline(always)]
    pub(crate) unsafe fn at<const ROWS: usize>(&self, width: usize, row: usize, chunk: usize) -> *mut f32 {
        let (group, row) = (row / ROWS, row % ROWS);
        // SAFETY: the caller's promise.
        unsafe { self.values.add(((group * self.chunks + chunk) * ROWS + row) * width) }
    }
}

/// The first motion: reads a source map and writes left factors.
pub(crate) trait Gather: Sync {
    /// Smallest part of the sum that can be gathered by itself, in chunks.
    fn unit(&self) -> usize;

    /// Columns that a unit's chunks are cut from.
    fn channels(&self) -> usize;

    /// Writes the units `units.0..units.1` of some rows into `block`, which holds just these units.
    ///
    /// # Safety
    /// `block` must have room for the rows and units, for the writer alone.
    unsafe fn gather<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        units: (usize, usize),
        block: Block,
    );
}

/// The last motion: reads products and writes a destination map.
pub(crate) trait Deliver: Sync {
    /// Writes the chunks `chunks.0..chunks.1` of some rows from `block`, which holds all chunks.
    ///
    /// # Safety
    /// `block` must hold the rows; nothing else may use what the rows and chunks stand for in the
    /// destination.
    unsafe fn deliver<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        chunks: (usize, usize),
        block: Block,
    );
}

/// How the work is cut up: blocks of rows, parts of the sum, and shares of the columns.
struct Plan {
    /// Rows in a block, a multiple of a group's.
    block: usize,
    /// Units of the sum gathered at a time.
    units: usize,
    /// Shares of the panels.
    shares: usize,
}

/// Values that a block may take: about half of a core's second-level cache of 1 MiB.
const BLOCK_VALUES: usize = 160 << 10;

impl Plan {
    fn new(lanes: Lanes, rows: usize, unit: usize, weights: &Packed) -> Self {
        let units_in_all = weights.shape.inner / unit;
        // A few hundred values of the sum at a time amortise a tile's loads and stores.
        let units = units_in_all
            .min((256 / lanes.width).div_ceil(unit).max(1) * if weights.shape.planes == 1 { 2 } else { 1 });
        let group = lanes.group() * weights.shape.planes;
        let per_group = group * (units * unit + weights.shape.outer);
        let groups = rows.div_ceil(lanes.rows);
        let most = (BLOCK_VALUES / per_group).clamp(1, 16);
        let threads = rayon::current_num_threads();
        let panels = weights.shape.outer.div_ceil(2);
        if groups < 4 * threads && panels >= threads && threads > 1 {
            // Few rows, many weights: every thread takes all rows and its share of the columns.
            return Self { block: groups.min(most) * lanes.rows, units, shares: threads };
        }
        // As many blocks as make the threads end together.
        let blocks = groups.div_ceil(most).next_multiple_of(threads);
        Self { block: groups.div_ceil(blocks) * lanes.rows, units, shares: 1 }
    }
}

/// Gathers `rows` rows, multiplies them by `weights`, delivers.
pub(crate) fn run<G: Gather, D: Deliver>(rows: usize, gather: &G, weights: &Packed, deliver: &D) {
    let plan = Plan::new(weights.shape.lanes, rows, gather.unit(), weights);
    let blocks = rows.div_ceil(plan.block);
    let panels = weights.shape.outer.div_ceil(2);
    let one = |task: usize| {
        let (block, share) = (task / plan.shares, task % plan.shares);
        let first = block * plan.block;
        let panels = (share * panels / plan.shares, (share + 1) * panels / plan.shares);
        let rows = Rows { first, count: plan.block.min(rows - first) };
        dispatch(Pass { rows, panels, units: plan.units, gather, weights, deliver });
    };
    match blocks * plan.shares {
        1 => one(0),
        tasks => (0..tasks).into_par_iter().with_max_len(1).for_each(one),
    }
}

/// One block and one share of the columns.
struct Pass<'a, G, D> {
    rows: Rows,
    panels: (usize, usize),
    units: usize,
    gather: &'a G,
    weights: &'a Packed,
    deliver: &'a D,
}

impl<G: Gather, D: Deliver> Task for Pass<'_, G, D> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let Self { rows, panels, units, gather, weights, deliver } = self;
        let unit = gather.unit();
        let units_in_all = weights.shape.inner / unit;
        let groups = rows.count.div_ceil(ROWS);
        let group = ROWS * S::F32_LANES;
        let mut left = Buffer::uncleared(weights.shape.planes * groups * units * unit * group);
        let mut products = Buffer::uncleared(weights.shape.planes * groups * weights.shape.outer * group);
        let result = Block {
            values: products.as_mut_ptr(),
            plane: groups * weights.shape.outer * group,
            chunks: weights.shape.outer,
        };
        let mut first = 0;
        while first < units_in_all {
            let last = (first + units).min(units_in_all);
            let chunks = (last - first) * unit;
            let block = Block { values: left.as_mut_ptr(), plane: groups * chunks * group, chunks };
            // SAFETY: `left` has room for `groups` groups of `units` units in every plane.
            unsafe { gather.gather::<S, ROWS>(simd, rows, (first, last), block) };
            for plane in 0..weights.shape.planes {
                let product = Product {
                    // SAFETY: the offsets are whole planes of the buffers above.
                    a: unsafe { block.values.add(plane * block.plane) },
                    a_group: chunks * group,
                    inner: chunks,
                    // SAFETY: as above, of the weights.
                    b: unsafe { weights.values.as_ptr().add(plane * weights.shape.plane()) },
                    b_inner: weights.shape.inner,
                    b_first: first * unit,
                    outer: weights.shape.outer,
                    panels,
                    // SAFETY: as above.
                    c: unsafe { result.values.add(plane * result.plane) },
                    c_group: weights.shape.outer * group,
                    rows: rows.count,
                    accumulate: first > 0,
                };
                // SAFETY: the fields describe the buffers above.
                unsafe { product.run::<S, ROWS>(simd) };
            }
            first = last;
        }
        let chunks = (2 * panels.0, (2 * panels.1).min(weights.shape.outer));
        // SAFETY: every chunk of these panels has been computed; tasks have disjoint rows or panels.
        unsafe { deliver.deliver::<S, ROWS>(simd, rows, chunks, result) };
    }
}
