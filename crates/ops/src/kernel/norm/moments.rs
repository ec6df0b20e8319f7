//! Mean and variance of every channel.

use pulp::Simd;
use rayon::prelude::*;

use super::Cut;
use crate::kernel::{
    lanes::{Lanes, Task, dispatch, load_first, store},
    scratch::Buffer,
};

/// Mean and biased variance of every channel.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

impl Moments {
    /// `1 / sqrt(variance + epsilon)`.
    pub(super) fn inverse(&self, epsilon: f32) -> Vec<f32> {
        self.variance.iter().map(|variance| (variance + epsilon).sqrt().recip()).collect()
    }

    /// Scale and shift of every channel that normalise it, then give it the deviation `gamma` and the
    /// mean `beta`.
    pub(crate) fn affine(&self, gamma: &[f32], beta: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
        let scale: Vec<f32> =
            self.inverse(epsilon).iter().zip(gamma).map(|(inverse, gamma)| inverse * gamma).collect();
        let means = self.mean.iter().zip(&scale);
        let shift = beta.iter().zip(means).map(|(beta, (mean, scale))| beta - mean * scale).collect();
        (scale, shift)
    }
}

/// Moments over all rows: exact within a block, blocks joined in `f64` (Chan et al.).
pub(crate) fn moments(x: &[f32], channels: usize) -> Moments {
    let cut = Cut::new(x.len(), channels);
    let padded = channels.next_multiple_of(Lanes::detect().width);
    let mut parts = Buffer::uncleared(cut.blocks() * 2 * padded);
    parts.par_chunks_mut(2 * padded).enumerate().for_each(|(block, part)| {
        let (mean, spread) = part.split_at_mut(padded);
        dispatch(BlockMoments { x: cut.of(x, block), rows: cut.count(block), channels, mean, spread });
    });
    let (mut mean, mut spread) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    let mut seen = 0.0;
    for (block, part) in parts.chunks(2 * padded).enumerate() {
        let count = cut.count(block) as f64;
        let all = seen + count;
        for channel in 0..channels {
            let difference = f64::from(part[channel]) - mean[channel];
            mean[channel] += difference * count / all;
            spread[channel] +=
                f64::from(part[padded + channel]) + difference * difference * seen * count / all;
        }
        seen = all;
    }
    Moments {
        mean: mean.into_iter().map(|value| value as f32).collect(),
        variance: spread.into_iter().map(|value| (value / seen) as f32).collect(),
    }
}

struct BlockMoments<'a> {
    x: &'a [f32],
    rows: usize,
    channels: usize,
    mean: &'a mut [f32],
    spread: &'a mut [f32],
}

impl Task for BlockMoments<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let share = simd.splat_f32s(1.0 / self.rows as f32);
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
                let mean = simd.mul_f32s(simd.add_f32s(even, odd), share);
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
                store::<S>(self.spread[first..][..width].as_mut_ptr(), simd.add_f32s(even, odd));
            }
        }
    }
}
