//! Sum of every channel: the gradient of a bias.

use pulp::Simd;
use rayon::prelude::*;

use super::Cut;
use crate::kernel::{
    lanes::{Lanes, Task, dispatch, load_first, store},
    scratch::Buffer,
};

/// Sum of every channel over all rows; blocks are added up in `f64`.
pub(crate) fn channel_sums(x: &[f32], channels: usize) -> Vec<f32> {
    let cut = Cut::new(x.len(), channels);
    let width = channels.next_multiple_of(Lanes::detect().width);
    let mut parts = Buffer::uncleared(cut.blocks() * width);
    parts.par_chunks_mut(width).enumerate().for_each(|(block, sums)| {
        dispatch(BlockSums { x: cut.of(x, block), channels, sums });
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

impl Task for BlockSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
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
