//! The gradient of batch norm.

use pulp::Simd;
use rayon::prelude::*;

use super::{Cut, Moments, padded};
use crate::kernel::{
    lanes::{Lanes, Task, dispatch, load, load_first, store, store_first},
    scratch::Buffer,
};

/// What the gradient of batch norm needs from the forward pass.
pub(crate) struct BatchNormOutput<'a> {
    /// Before normalisation.
    pub(crate) x: &'a [f32],
    pub(crate) moments: &'a Moments,
    pub(crate) gamma: &'a [f32],
    pub(crate) beta: &'a [f32],
    pub(crate) epsilon: f32,
    pub(crate) slope: f32,
}

/// Gradients of gamma and beta.
pub(crate) struct Slopes {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

impl Slopes {
    /// Adds those of another part of the batch.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sums, others) in [(&mut self.gamma, &other.gamma), (&mut self.beta, &other.beta)] {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += other;
            }
        }
    }
}

/// Gradients of gamma and beta, and of the input into `dx`, from the gradient of the output.
pub(crate) fn gradient(forward: &BatchNormOutput<'_>, dy: &[f32], dx: &mut [f32]) -> Slopes {
    let channels = forward.gamma.len();
    let cut = Cut::new(dy.len(), channels);
    let width = channels.next_multiple_of(Lanes::detect().width);
    let inverse = forward.moments.inverse(forward.epsilon);
    let (scale, shift) = forward.moments.affine(forward.gamma, forward.beta, forward.epsilon);
    let (mean, scale, shift) = (padded(&forward.moments.mean), padded(&scale), padded(&shift));

    let mut parts = Buffer::uncleared(cut.blocks() * 2 * width);
    parts.par_chunks_mut(2 * width).enumerate().for_each(|(block, part)| {
        let (sum, product) = part.split_at_mut(width);
        dispatch(BlockSums {
            x: cut.of(forward.x, block),
            dy: cut.of(dy, block),
            mean: &mean,
            scale: &scale,
            shift: &shift,
            slope: forward.slope,
            channels,
            sum,
            product,
        });
    });
    let (mut sum, mut product) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    for part in parts.chunks(2 * width) {
        for channel in 0..channels {
            sum[channel] += f64::from(part[channel]);
            product[channel] += f64::from(part[width + channel]) * f64::from(inverse[channel]);
        }
    }
    // dx = scale (g - mean(g) - xhat mean(g xhat)), written as scale g + bend x + lift.
    let count = cut.rows as f64;
    let bend: Vec<f32> = (0..channels)
        .map(|c| (-f64::from(scale[c]) * f64::from(inverse[c]) * product[c] / count) as f32)
        .collect();
    let lift: Vec<f32> = (0..channels)
        .map(|c| (-f64::from(scale[c]) * sum[c] / count - f64::from(bend[c]) * f64::from(mean[c])) as f32)
        .collect();
    let (bend, lift) = (padded(&bend), padded(&lift));
    dx.par_chunks_mut(cut.block * channels).enumerate().for_each(|(block, dx)| {
        dispatch(BlockGradient {
            x: cut.of(forward.x, block),
            dy: cut.of(dy, block),
            scale: &scale,
            shift: &shift,
            bend: &bend,
            lift: &lift,
            slope: forward.slope,
            channels,
            dx,
        });
    });
    Slopes {
        gamma: product.into_iter().map(|value| value as f32).collect(),
        beta: sum.into_iter().map(|value| value as f32).collect(),
    }
}

/// The gradient before the rectifier: `dy`, times the slope where `v` was not positive.
#[inline(always)]
fn gated<S: Simd>(simd: S, v: S::f32s, dy: S::f32s, slope: S::f32s) -> S::f32s {
    let positive = simd.greater_than_f32s(v, simd.splat_f32s(0.0));
    simd.select_f32s(positive, dy, simd.mul_f32s(dy, slope))
}

struct BlockSums<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    mean: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    slope: f32,
    channels: usize,
    sum: &'a mut [f32],
    product: &'a mut [f32],
}

impl Task for BlockSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let slope = simd.splat_f32s(self.slope);
        for first in (0..self.channels).step_by(width) {
            let left = self.channels - first;
            let (mut sum, mut product) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
            // SAFETY: rows have `channels` values, everything else whole registers.
            unsafe {
                let mean = load::<S>(self.mean.as_ptr().add(first));
                let scale = load::<S>(self.scale.as_ptr().add(first));
                let shift = load::<S>(self.shift.as_ptr().add(first));
                for (x, dy) in self.x.chunks_exact(self.channels).zip(self.dy.chunks_exact(self.channels)) {
                    let x = load_first(simd, x.as_ptr().add(first), left);
                    let dy = load_first(simd, dy.as_ptr().add(first), left);
                    let g = gated(simd, simd.mul_add_e_f32s(x, scale, shift), dy, slope);
                    sum = simd.add_f32s(sum, g);
                    product = simd.mul_add_e_f32s(g, simd.sub_f32s(x, mean), product);
                }
                store::<S>(self.sum[first..][..width].as_mut_ptr(), sum);
                store::<S>(self.product[first..][..width].as_mut_ptr(), product);
            }
        }
    }
}

struct BlockGradient<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    bend: &'a [f32],
    lift: &'a [f32],
    slope: f32,
    channels: usize,
    dx: &'a mut [f32],
}

impl Task for BlockGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let slope = simd.splat_f32s(self.slope);
        let rows = self.x.chunks_exact(self.channels).zip(self.dy.chunks_exact(self.channels));
        for ((x, dy), dx) in rows.zip(self.dx.chunks_exact_mut(self.channels)) {
            for first in (0..self.channels).step_by(width) {
                let left = self.channels - first;
                // SAFETY: rows have `channels` values, everything else whole registers.
                unsafe {
                    let scale = load::<S>(self.scale.as_ptr().add(first));
                    let shift = load::<S>(self.shift.as_ptr().add(first));
                    let bend = load::<S>(self.bend.as_ptr().add(first));
                    let lift = load::<S>(self.lift.as_ptr().add(first));
                    let x = load_first(simd, x.as_ptr().add(first), left);
                    let dy = load_first(simd, dy.as_ptr().add(first), left);
                    let g = gated(simd, simd.mul_add_e_f32s(x, scale, shift), dy, slope);
                    let value = simd.mul_add_e_f32s(g, scale, simd.mul_add_e_f32s(x, bend, lift));
                    store_first(simd, dx.as_mut_ptr().add(first), left, value);
                }
            }
        }
    }
}
