//! Batch norm with a leaky rectifier behind it, and its gradient, on maps with channels last.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    lanes::{Lanes, Task, dispatch, load, load_first, store, store_first},
    scratch::Buffer,
};

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

/// Mean and biased variance of every channel.
pub(crate) struct Moments {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
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

/// What the gradient of batch norm needs from the forward pass.
pub(crate) struct Normalised<'a> {
    /// Before normalisation.
    pub(crate) x: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) variance: &'a [f32],
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

/// Gradients of gamma and beta, and of the input into `dx`, from the gradient of the output.
pub(crate) fn gradient(forward: &Normalised<'_>, dy: &[f32], dx: &mut [f32]) -> Slopes {
    let channels = forward.mean.len();
    let cut = Cut::new(dy.len(), channels);
    let width = channels.next_multiple_of(Lanes::detect().width);
    let inverse: Vec<f32> =
        forward.variance.iter().map(|variance| (variance + forward.epsilon).sqrt().recip()).collect();
    let scale: Vec<f32> = inverse.iter().zip(forward.gamma).map(|(inverse, gamma)| inverse * gamma).collect();
    let shift: Vec<f32> = (0..channels).map(|c| forward.beta[c] - forward.mean[c] * scale[c]).collect();
    let (mean, scale, shift) = (padded(forward.mean), padded(&scale), padded(&shift));

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

/// Sum of every channel over all rows.
pub(crate) fn channel_sums(x: &[f32], channels: usize) -> Vec<f32> {
    let cut = Cut::new(x.len(), channels);
    let moments = moments(x, channels);
    moments.mean.iter().map(|mean| mean * cut.rows as f32).collect()
}
