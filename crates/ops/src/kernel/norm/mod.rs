//! Batch norm with a leaky rectifier behind it, and its gradient, on maps with channels last.

mod gradient;
mod moments;
mod sums;

use pulp::Simd;
use rayon::prelude::*;

use super::{
    lanes::{Lanes, Task, dispatch, load, load_first, store_first},
    scratch::Buffer,
};
pub(crate) use gradient::{BatchNormOutput, Slopes, gradient};
pub(crate) use moments::{Moments, moments};
pub(crate) use sums::channel_sums;

/// Values of a block of rows: it is read twice and stays in the first two cache levels.
const BLOCK: usize = 16 << 10;

/// Rows of `channels` values, cut into blocks whose size depends on nothing else, so that sums do not
/// depend on the number of threads.
#[derive(Clone, Copy)]
struct Cut {
    rows: usize,
    channels: usize,
    block: usize,
}

impl Cut {
    fn new(values: usize, channels: usize) -> Self {
        let rows = values / channels;
        Self { rows, channels, block: (BLOCK / channels).clamp(1, rows.max(1)) }
    }

    fn blocks(&self) -> usize {
        self.rows.div_ceil(self.block)
    }

    /// Rows of a block.
    fn count(&self, block: usize) -> usize {
        self.block.min(self.rows - block * self.block)
    }

    /// The values of a block.
    fn of<'a>(&self, values: &'a [f32], block: usize) -> &'a [f32] {
        &values[block * self.block * self.channels..][..self.count(block) * self.channels]
    }
}

/// `max(v, slope v)` of `v = scale x + shift`, one scale and shift for each channel.
pub(crate) fn apply(x: &[f32], scale: &[f32], shift: &[f32], slope: f32, y: &mut [f32]) {
    let channels = scale.len();
    let cut = Cut::new(x.len(), channels);
    let (scale, shift) = (padded(scale), padded(shift));
    y.par_chunks_mut(cut.block * channels).enumerate().for_each(|(block, y)| {
        dispatch(Apply { x: cut.of(x, block), scale: &scale, shift: &shift, slope, channels, y });
    });
}

/// Whole registers, zeros behind the last value.
fn padded(values: &[f32]) -> Buffer {
    let mut buffer = Buffer::zeroed(values.len().next_multiple_of(Lanes::detect().width));
    buffer[..values.len()].copy_from_slice(values);
    buffer
}

struct Apply<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    slope: f32,
    channels: usize,
    y: &'a mut [f32],
}

impl Task for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let slope = simd.splat_f32s(self.slope);
        for (x, y) in self.x.chunks_exact(self.channels).zip(self.y.chunks_exact_mut(self.channels)) {
            for first in (0..self.channels).step_by(width) {
                let left = self.channels - first;
                // SAFETY: rows have `channels` values, scale and shift whole registers.
                unsafe {
                    let v = load_first(simd, x.as_ptr().add(first), left);
                    let scale = load::<S>(self.scale.as_ptr().add(first));
                    let shift = load::<S>(self.shift.as_ptr().add(first));
                    let v = simd.mul_add_e_f32s(v, scale, shift);
                    let v = simd.max_f32s(v, simd.mul_f32s(v, slope));
                    store_first(simd, y.as_mut_ptr().add(first), left, v);
                }
            }
        }
    }
}
