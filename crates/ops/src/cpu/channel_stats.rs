//! Sums over all pixels of a map, channel by channel: mean and variance, and the gradient of a bias.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::Buffer,
    simd::{SimdKernel, SimdWidth, dispatch, load_first, store},
};

/// Values of a block of rows: it is read twice and stays in the first two cache levels.
const BLOCK: usize = 16 << 10;

/// Rows of `channels` values, cut into blocks whose size depends on nothing else, so that sums do not
/// depend on the number of threads.
#[derive(Clone, Copy)]
pub(crate) struct RowBlocks {
    pub(crate) rows: usize,
    channels: usize,
    /// Rows of each block but the last.
    pub(crate) block: usize,
}

impl RowBlocks {
    pub(crate) fn new(values: usize, channels: usize) -> Self {
        let rows = values / channels;
        Self { rows, channels, block: (BLOCK / channels).clamp(1, rows.max(1)) }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.div_ceil(self.block)
    }

    /// Rows of a block.
    fn rows_in(&self, block: usize) -> usize {
        self.block.min(self.rows - block * self.block)
    }

    /// The values of a block.
    pub(crate) fn slice<'a>(&self, values: &'a [f32], block: usize) -> &'a [f32] {
        &values[block * self.block * self.channels..][..self.rows_in(block) * self.channels]
    }
}

/// Mean and biased variance of every channel.
#[derive(Clone, Debug)]
pub(crate) struct ChannelStats {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

impl ChannelStats {
    /// `1 / sqrt(variance + epsilon)`.
    pub(crate) fn inverse_deviation(&self, epsilon: f32) -> Vec<f32> {
        self.variance.iter().map(|variance| (variance + epsilon).sqrt().recip()).collect()
    }

    /// Scale and shift of every channel that normalize it, then give it the deviation `gamma` and the
    /// mean `beta`.
    pub(crate) fn affine(&self, gamma: &[f32], beta: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
        let scale: Vec<f32> = self
            .inverse_deviation(epsilon)
            .iter()
            .zip(gamma)
            .map(|(inverse, gamma)| inverse * gamma)
            .collect();
        let means = self.mean.iter().zip(&scale);
        let shift = beta.iter().zip(means).map(|(beta, (mean, scale))| beta - mean * scale).collect();
        (scale, shift)
    }
}

/// Statistics over all rows: exact within a block, blocks joined in `f64` from mean and `m2`, the sum of
/// squared deviations (Chan et al., 1979).
pub(crate) fn channel_stats(x: &[f32], channels: usize) -> ChannelStats {
    let row_blocks = RowBlocks::new(x.len(), channels);
    let width = channels.next_multiple_of(SimdWidth::detect().lanes);
    let mut parts = Buffer::uncleared(row_blocks.count() * 2 * width);
    parts.par_chunks_mut(2 * width).enumerate().for_each(|(block, part)| {
        let (mean, m2) = part.split_at_mut(width);
        dispatch(BlockStats {
            x: row_blocks.slice(x, block),
            rows: row_blocks.rows_in(block),
            channels,
            mean,
            m2,
        });
    });
    let (mut mean, mut m2) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    let mut seen = 0.0;
    for (block, part) in parts.chunks(2 * width).enumerate() {
        let count = row_blocks.rows_in(block) as f64;
        let all = seen + count;
        for channel in 0..channels {
            let difference = f64::from(part[channel]) - mean[channel];
            mean[channel] += difference * count / all;
            m2[channel] += f64::from(part[width + channel]) + difference * difference * seen * count / all;
        }
        seen = all;
    }
    ChannelStats {
        mean: mean.into_iter().map(|value| value as f32).collect(),
        variance: m2.into_iter().map(|value| (value / seen) as f32).collect(),
    }
}

struct BlockStats<'a> {
    x: &'a [f32],
    rows: usize,
    channels: usize,
    mean: &'a mut [f32],
    m2: &'a mut [f32],
}

impl SimdKernel for BlockStats<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let inverse_count = simd.splat_f32s(1.0 / self.rows as f32);
        for first in (0..self.channels).step_by(width) {
            let left = self.channels - first;
            let (mut even, mut odd) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
            // SAFETY: each row has `channels` values; the results have whole registers.
            unsafe {
                let at = |row: usize| load_first(simd, self.x[row * self.channels + first..].as_ptr(), left);
                for row in (0..self.rows - 1).step_by(2) {
                    even = simd.add_f32s(even, at(row));
                    odd = simd.add_f32s(odd, at(row + 1));
                }
                if self.rows % 2 == 1 {
                    even = simd.add_f32s(even, at(self.rows - 1));
                }
                let mean = simd.mul_f32s(simd.add_f32s(even, odd), inverse_count);
                (even, odd) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
                for row in (0..self.rows - 1).step_by(2) {
                    let (a, b) = (simd.sub_f32s(at(row), mean), simd.sub_f32s(at(row + 1), mean));
                    even = simd.mul_add_e_f32s(a, a, even);
                    odd = simd.mul_add_e_f32s(b, b, odd);
                }
                if self.rows % 2 == 1 {
                    let a = simd.sub_f32s(at(self.rows - 1), mean);
                    even = simd.mul_add_e_f32s(a, a, even);
                }
                store::<S>(self.mean[first..][..width].as_mut_ptr(), mean);
                store::<S>(self.m2[first..][..width].as_mut_ptr(), simd.add_f32s(even, odd));
            }
        }
    }
}

/// Sum of every channel over all rows; blocks are added up in `f64`.
pub(crate) fn channel_sums(x: &[f32], channels: usize) -> Vec<f32> {
    let row_blocks = RowBlocks::new(x.len(), channels);
    let width = channels.next_multiple_of(SimdWidth::detect().lanes);
    let mut parts = Buffer::uncleared(row_blocks.count() * width);
    parts.par_chunks_mut(width).enumerate().for_each(|(block, sums)| {
        dispatch(BlockSums { x: row_blocks.slice(x, block), channels, sums });
    });
    let mut sums = vec![0.0_f64; channels];
    for part in parts.chunks(width) {
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum += f64::from(*part);
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

struct BlockSums<'a> {
    x: &'a [f32],
    channels: usize,
    sums: &'a mut [f32],
}

impl SimdKernel for BlockSums<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        for first in (0..self.channels).step_by(width) {
            let left = self.channels - first;
            let mut sums = [simd.splat_f32s(0.0); 2];
            for rows in self.x.chunks(2 * self.channels) {
                for (row, sum) in rows.chunks_exact(self.channels).zip(&mut sums) {
                    // SAFETY: a row has `channels` values.
                    *sum = simd.add_f32s(*sum, unsafe { load_first(simd, row[first..].as_ptr(), left) });
                }
            }
            let [even, odd] = sums;
            // SAFETY: the result has whole registers.
            unsafe { store::<S>(self.sums[first..][..width].as_mut_ptr(), simd.add_f32s(even, odd)) }
        }
    }
}
