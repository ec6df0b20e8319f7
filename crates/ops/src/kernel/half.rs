//! Matrices in 16 bits: the upper half of each `f32` (bfloat16), two in a lane.

use aligned_vec::{AVec, ConstAlign};
use pulp::Simd;
use rayon::prelude::*;

use super::{
    lanes::{Lanes, prefetch},
    rows::Rows,
};
use crate::storage::bits;

/// Rows that are written at a time.
pub(crate) const LINE: usize = 16;

/// Bits of the second value of a lane.
const SECOND: u32 = 0xFFFF_0000;

/// A matrix in bfloat16. Each lane of a pair of registers holds the first register's value in its
/// lower half and the second's in its upper half; rows are filled up with zeros to whole pairs.
pub(crate) struct Halves {
    lanes: AVec<u32, ConstAlign<64>>,
    sizes: [usize; 2],
    width: usize,
}

impl Halves {
    /// A matrix whose rows `fill` writes in 32 bits, some at a time, from the one with that number on.
    pub(crate) fn new(sizes: [usize; 2], fill: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let [rows, columns] = sizes;
        let width = Lanes::detect().width;
        let step = columns.next_multiple_of(2 * width) / 2;
        let mut lanes = AVec::with_capacity(64, rows * step);
        lanes.resize(rows * step, 0);
        lanes.par_chunks_mut(LINE * step).enumerate().for_each_init(
            || vec![0.0; LINE * columns],
            |values, (chunk, lanes)| {
                let values = &mut values[..lanes.len() / step * columns];
                fill(chunk * LINE, values);
                for (lanes, values) in lanes.chunks_exact_mut(step).zip(values.chunks_exact(columns)) {
                    pack(width, values, lanes);
                }
            },
        );
        Self { lanes, sizes, width }
    }

    /// The matrix as the product reads it.
    pub(crate) fn rows(&self) -> HalfRows<'_> {
        HalfRows { lanes: &self.lanes, sizes: self.sizes, step: self.lanes.len() / self.sizes[0].max(1) }
    }

    /// A row's values in 32 bits.
    pub(crate) fn read(&self, row: usize, to: &mut [f32]) {
        let step = self.lanes.len() / self.sizes[0];
        let lanes = &self.lanes[row * step..][..step];
        for (to, lanes) in to.chunks_mut(2 * self.width).zip(lanes.chunks_exact(self.width)) {
            let first = lanes.iter().map(|lane| lane << 16);
            let second = lanes.iter().map(|lane| lane & SECOND);
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
            *lane = u32::from(bits(*value));
        }
        for (lane, value) in lanes.iter_mut().zip(second) {
            *lane |= u32::from(bits(*value)) << 16;
        }
    }
}

/// [`Halves`] in memory.
#[derive(Clone, Copy)]
pub(crate) struct HalfRows<'a> {
    lanes: &'a [u32],
    sizes: [usize; 2],
    /// Lanes of a row.
    step: usize,
}

impl Rows for HalfRows<'_> {
    type Value = u32;

    fn sizes(&self) -> [usize; 2] {
        self.sizes
    }

    #[inline(always)]
    fn row(&self, row: usize) -> *const u32 {
        self.lanes[row * self.step..][..self.step].as_ptr()
    }

    #[inline(always)]
    fn send_for<S: Simd>(row: *const u32, pair: usize, half: usize) {
        if half == 0 {
            prefetch(row.wrapping_add(pair * S::U32_LANES));
        }
    }

    #[inline(always)]
    unsafe fn whole<S: Simd>(simd: S, row: *const u32, pair: usize, half: usize) -> S::f32s {
        // SAFETY: the caller's promise; the read is unaligned and any bits are a valid register.
        let both = unsafe { row.add(pair * S::U32_LANES).cast::<S::u32s>().read_unaligned() };
        simd.transmute_f32s_u32s(match half {
            0 => simd.wrapping_dyn_shl_u32s(both, simd.splat_u32s(16)),
            _ => simd.and_u32s(both, simd.splat_u32s(SECOND)),
        })
    }

    #[inline(always)]
    unsafe fn last<S: Simd>(&self, simd: S, row: *const u32, pair: usize, half: usize) -> S::f32s {
        // SAFETY: the caller's promise; every pair is whole.
        unsafe { Self::whole(simd, row, pair, half) }
    }
}
