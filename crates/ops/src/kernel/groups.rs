//! Products of matrices stored in groups.
//!
//! A matrix of `t` rows and `k` columns lies as `[group][chunk][row][lane]`: rows in groups of
//! `Lanes::rows`, columns in chunks of one register. A convolution's rows are tiles or positions, its
//! columns channels. The layout is at once the left factor of a product (one base register reaches
//! every row of a chunk), the right factor of a transposed product, and the result of either: nothing
//! is packed between them. Only weights have a layout of their own, [`Packed`](super::weights::Packed).

use pulp::Simd;

use super::lanes::{load, store};

/// One product in groups: `c (+)= a b` over some chunks of `k` and some panels of `b`.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// First chunk of the first group of `a`.
    pub(crate) a: *const f32,
    /// Values from one group of `a` to the next.
    pub(crate) a_group: usize,
    /// Chunks of `k` to run over.
    pub(crate) inner: usize,
    /// The plane of a [`Packed`](super::weights::Packed).
    pub(crate) b: *const f32,
    /// Chunks of `k` in `b` altogether, and the first one used.
    pub(crate) b_inner: usize,
    pub(crate) b_first: usize,
    /// Chunks of `n` in `b` altogether; the panels used are `panels.0..panels.1`.
    pub(crate) outer: usize,
    pub(crate) panels: (usize, usize),
    pub(crate) c: *mut f32,
    /// Values from one group of `c` to the next.
    pub(crate) c_group: usize,
    /// Rows altogether; the last group may be partly filled.
    pub(crate) rows: usize,
    /// Whether `c` already holds a part of the sum.
    pub(crate) accumulate: bool,
}

impl Product {
    /// # Safety
    /// `a`, `b` and `c` must hold what the fields say, `c` exclusively.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        for panel in self.panels.0..self.panels.1 {
            let double = 2 * panel + 1 < self.outer;
            let registers = if double { 2 } else { 1 };
            let skipped = panel * self.b_inner * width * 2 * width;
            // SAFETY: all offsets stay inside the matrices the caller vouches for.
            unsafe {
                let b = self.b.add(skipped + self.b_first * width * registers * width);
                let mut left = self.rows;
                let mut group = 0;
                while left > 0 {
                    let a = self.a.add(group * self.a_group);
                    let c = self.c.add(group * self.c_group + 2 * panel * ROWS * width);
                    let rows = left.min(ROWS);
                    if double {
                        self.tile::<S, ROWS, 2>(simd, a, b, c, rows);
                    } else {
                        self.tile::<S, ROWS, 1>(simd, a, b, c, rows);
                    }
                    left -= rows;
                    group += 1;
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

/// One transposed product in groups, `c (+)= a^T b` summed over all rows: the gradient of weights.
#[derive(Clone, Copy)]
pub(crate) struct Transposed {
    /// The chunk of `a` whose columns become rows of `c`.
    pub(crate) a: *const f32,
    pub(crate) a_group: usize,
    pub(crate) b: *const f32,
    pub(crate) b_group: usize,
    /// Chunks of `b`, and which of them are used.
    pub(crate) outer: usize,
    pub(crate) columns: (usize, usize),
    /// Groups of rows; rows behind the last one must hold zeros in `a` or `b`, and no NaN.
    pub(crate) groups: usize,
    /// `[column of a in its chunk][column of b]`, `outer` registers a row.
    pub(crate) c: *mut f32,
    pub(crate) accumulate: bool,
}

impl Transposed {
    /// # Safety
    /// `a`, `b` and `c` must hold what the fields say, `c` exclusively.
    #[inline(always)]
    pub(crate) unsafe fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let (mut outer, last) = self.columns;
        while outer < last {
            // SAFETY: all offsets stay inside the matrices the caller vouches for.
            unsafe {
                let mut first = 0;
                while first < width {
                    if outer + 1 < last {
                        self.kernel::<S, ROWS, HALF, 2>(simd, first, outer);
                    } else {
                        self.kernel::<S, ROWS, HALF, 1>(simd, first, outer);
                    }
                    first += HALF;
                }
            }
            outer += 2;
        }
    }

    #[inline(always)]
    unsafe fn kernel<S: Simd, const ROWS: usize, const HALF: usize, const COLUMNS: usize>(
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
            let mut sums = [[simd.splat_f32s(0.0); COLUMNS]; HALF];
            if self.accumulate {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (column, sum) in sums.iter_mut().enumerate() {
                        *sum = load::<S>(c.add(row * pitch + column * width));
                    }
                }
            }
            for group in 0..self.groups {
                let a = self.a.add(group * self.a_group + first);
                let b = self.b.add(group * self.b_group + outer * ROWS * width);
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
