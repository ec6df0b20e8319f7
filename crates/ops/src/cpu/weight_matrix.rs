//! Weights as a matrix, in 32 bits or bfloat16: how its rows lie in memory, and how they are read register by
//! register.

use aligned_vec::{AVec, ConstAlign};
use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::Buffer,
    simd::{self, SimdWidth, load, load_first},
};
use crate::layer::{ConvKind, Storage, bf16_bits};

/// Weights of a kernel as large as the map, packed once as `[outputs, inputs]`: a row for each output.
pub(crate) struct WeightMatrix {
    values: Values,
    sizes: [usize; 2],
}

enum Values {
    F32(Buffer),
    Bf16(Bf16Matrix),
}

/// [`WeightMatrix`] as products read it.
#[derive(Clone, Copy)]
pub(crate) enum WeightMatrixRef<'a> {
    F32(F32Matrix<'a>),
    Bf16(&'a Bf16Matrix),
}

impl WeightMatrix {
    /// Packs weights `[small, large]` for a kind of convolution.
    pub(crate) fn new(kind: ConvKind, storage: Storage, weights: &[f32], [small, large]: [usize; 2]) -> Self {
        let [inputs, outputs] = kind.swap_if_transposed([large, small]);
        let fill = |first: usize, to: &mut [f32]| match kind {
            ConvKind::Conv2d => to.copy_from_slice(&weights[first * inputs..][..to.len()]),
            ConvKind::ConvTranspose2d => transpose_columns(weights, [inputs, outputs], first, to),
        };
        let values = match storage {
            Storage::F32 => {
                let mut values = Buffer::uncleared(weights.len());
                let chunks = values.par_chunks_mut(ROWS_PER_TASK * inputs).enumerate();
                chunks.for_each(|(chunk, values)| fill(chunk * ROWS_PER_TASK, values));
                Values::F32(values)
            }
            Storage::Bf16 => Values::Bf16(Bf16Matrix::new([outputs, inputs], fill)),
        };
        Self { values, sizes: [outputs, inputs] }
    }

    pub(crate) fn rows(&self) -> WeightMatrixRef<'_> {
        match &self.values {
            Values::F32(values) => WeightMatrixRef::F32(F32Matrix::new(values, self.sizes)),
            Values::Bf16(bf16) => WeightMatrixRef::Bf16(bf16),
        }
    }

    /// The weights `[small, large]` again, in 32 bits.
    pub(crate) fn weights(&self, kind: ConvKind) -> Buffer {
        let [outputs, inputs] = self.sizes;
        let mut values = Buffer::uncleared(outputs * inputs);
        match &self.values {
            Values::F32(own) => values.copy_from_slice(own),
            Values::Bf16(bf16) => {
                for (row, values) in values.chunks_exact_mut(inputs).enumerate() {
                    bf16.read(row, values);
                }
            }
        }
        match kind {
            ConvKind::Conv2d => values,
            ConvKind::ConvTranspose2d => {
                let mut to = Buffer::uncleared(values.len());
                transpose_columns(&values, self.sizes, 0, &mut to);
                to
            }
        }
    }
}

/// Some columns of `[rows, columns]` as rows, from column `first` on.
fn transpose_columns(values: &[f32], [rows, columns]: [usize; 2], first: usize, to: &mut [f32]) {
    let count = to.len() / rows;
    for (row, values) in values.chunks_exact(columns).enumerate() {
        for (column, value) in values[first..][..count].iter().enumerate() {
            to[column * rows + row] = *value;
        }
    }
}

/// A matrix as it lies in memory: rows of pairs of registers.
pub(crate) trait WeightRows: Copy + Send + Sync {
    type Value;

    /// Rows and columns.
    fn sizes(&self) -> [usize; 2];

    /// Where a row begins.
    fn row(&self, row: usize) -> *const Self::Value;

    /// Prefetches a register that will be read soon; it need not exist.
    fn prefetch<S: Simd>(row: *const Self::Value, pair: usize, half: usize);

    /// Reads a register of a pair that is whole.
    ///
    /// # Safety
    /// The row must have that pair, all of it.
    unsafe fn load_full<S: Simd>(simd: S, row: *const Self::Value, pair: usize, half: usize) -> S::f32s;

    /// Reads a register of the last pair, zeros behind the last column.
    ///
    /// # Safety
    /// The row must begin at `row`, and `pair` be its last.
    unsafe fn load_last<S: Simd>(
        &self,
        simd: S,
        row: *const Self::Value,
        pair: usize,
        half: usize,
    ) -> S::f32s;
}

/// Values of 32 bits, row by row.
#[derive(Clone, Copy)]
pub(crate) struct F32Matrix<'a> {
    values: &'a [f32],
    sizes: [usize; 2],
}

impl<'a> F32Matrix<'a> {
    /// # Panics
    /// When the values are not as many as rows times columns.
    pub(crate) fn new(values: &'a [f32], sizes: [usize; 2]) -> Self {
        assert_eq!(values.len(), sizes[0] * sizes[1], "a matrix of {sizes:?}");
        Self { values, sizes }
    }

    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }
}

impl WeightRows for F32Matrix<'_> {
    type Value = f32;

    fn sizes(&self) -> [usize; 2] {
        self.sizes
    }

    #[inline(always)]
    fn row(&self, row: usize) -> *const f32 {
        self.values[row * self.sizes[1]..][..self.sizes[1]].as_ptr()
    }

    #[inline(always)]
    fn prefetch<S: Simd>(row: *const f32, pair: usize, half: usize) {
        simd::prefetch(row.wrapping_add((2 * pair + half) * S::F32_LANES));
    }

    #[inline(always)]
    unsafe fn load_full<S: Simd>(_: S, row: *const f32, pair: usize, half: usize) -> S::f32s {
        // SAFETY: the caller's promise.
        unsafe { load::<S>(row.add((2 * pair + half) * S::F32_LANES)) }
    }

    #[inline(always)]
    unsafe fn load_last<S: Simd>(&self, simd: S, row: *const f32, pair: usize, half: usize) -> S::f32s {
        let first = (2 * pair + half) * S::F32_LANES;
        if first >= self.sizes[1] {
            return simd.splat_f32s(0.0);
        }
        // SAFETY: the row has values from `first` to its last column.
        unsafe { load_first(simd, row.add(first), self.sizes[1] - first) }
    }
}

/// Rows that one task writes.
const ROWS_PER_TASK: usize = 16;

/// Bits of the second value of a lane.
const HIGH_HALF: u32 = 0xFFFF_0000;

/// A matrix in bfloat16. Each lane of a pair of registers holds the first register's value in its
/// lower half and the second's in its upper half; rows are filled up with zeros to whole pairs.
pub(crate) struct Bf16Matrix {
    lanes: AVec<u32, ConstAlign<64>>,
    sizes: [usize; 2],
    width: usize,
}

impl Bf16Matrix {
    /// A matrix whose rows `fill` writes in 32 bits, some at a time, from the one with that number on.
    pub(crate) fn new(sizes: [usize; 2], fill: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let [rows, columns] = sizes;
        let width = SimdWidth::detect().lanes;
        let step = columns.next_multiple_of(2 * width) / 2;
        let mut lanes = AVec::with_capacity(64, rows * step);
        lanes.resize(rows * step, 0);
        lanes.par_chunks_mut(ROWS_PER_TASK * step).enumerate().for_each_init(
            || vec![0.0; ROWS_PER_TASK * columns],
            |values, (chunk, lanes)| {
                let values = &mut values[..lanes.len() / step * columns];
                fill(chunk * ROWS_PER_TASK, values);
                for (lanes, values) in lanes.chunks_exact_mut(step).zip(values.chunks_exact(columns)) {
                    pack(width, values, lanes);
                }
            },
        );
        Self { lanes, sizes, width }
    }

    /// The matrix as the product reads it.
    pub(crate) fn rows(&self) -> Bf16Rows<'_> {
        Bf16Rows { lanes: &self.lanes, sizes: self.sizes, step: self.lanes.len() / self.sizes[0].max(1) }
    }

    /// A row's values in 32 bits.
    pub(crate) fn read(&self, row: usize, to: &mut [f32]) {
        let step = self.lanes.len() / self.sizes[0];
        let lanes = &self.lanes[row * step..][..step];
        for (to, lanes) in to.chunks_mut(2 * self.width).zip(lanes.chunks_exact(self.width)) {
            let first = lanes.iter().map(|lane| lane << 16);
            let second = lanes.iter().map(|lane| lane & HIGH_HALF);
            for (to, bits) in to.iter_mut().zip(first.chain(second)) {
                *to = f32::from_bits(bits);
            }
        }
    }
}

/// One row.
fn pack(width: usize, values: &[f32], lanes: &mut [u32]) {
    for (lanes, values) in lanes.chunks_exact_mut(width).zip(values.chunks(2 * width)) {
        let (first, second) = values.split_at(width.min(values.len()));
        for (lane, value) in lanes.iter_mut().zip(first) {
            *lane = u32::from(bf16_bits(*value));
        }
        for (lane, value) in lanes.iter_mut().zip(second) {
            *lane |= u32::from(bf16_bits(*value)) << 16;
        }
    }
}

/// [`Bf16Matrix`] in memory.
#[derive(Clone, Copy)]
pub(crate) struct Bf16Rows<'a> {
    lanes: &'a [u32],
    sizes: [usize; 2],
    /// Lanes of a row.
    step: usize,
}

impl WeightRows for Bf16Rows<'_> {
    type Value = u32;

    fn sizes(&self) -> [usize; 2] {
        self.sizes
    }

    #[inline(always)]
    fn row(&self, row: usize) -> *const u32 {
        self.lanes[row * self.step..][..self.step].as_ptr()
    }

    #[inline(always)]
    fn prefetch<S: Simd>(row: *const u32, pair: usize, half: usize) {
        if half == 0 {
            simd::prefetch(row.wrapping_add(pair * S::U32_LANES));
        }
    }

    #[inline(always)]
    unsafe fn load_full<S: Simd>(simd: S, row: *const u32, pair: usize, half: usize) -> S::f32s {
        // SAFETY: the caller's promise; the read is unaligned and any bits are a valid register.
        let both = unsafe { row.add(pair * S::U32_LANES).cast::<S::u32s>().read_unaligned() };
        simd.transmute_f32s_u32s(match half {
            0 => simd.wrapping_dyn_shl_u32s(both, simd.splat_u32s(16)),
            _ => simd.and_u32s(both, simd.splat_u32s(HIGH_HALF)),
        })
    }

    #[inline(always)]
    unsafe fn load_last<S: Simd>(&self, simd: S, row: *const u32, pair: usize, half: usize) -> S::f32s {
        // SAFETY: the caller's promise; every pair is whole.
        unsafe { Self::load_full(simd, row, pair, half) }
    }
}
