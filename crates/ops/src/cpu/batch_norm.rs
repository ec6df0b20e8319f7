//! Batch norm with leaky ReLU behind it, and its gradient, on maps with channels last.

use burn::{backend::Flex, tensor::Tensor};
use burn_flex::FlexTensor;
use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::Buffer,
    channel_stats::{ChannelStats, RowBlocks, channel_stats},
    feature_map::{FeatureMap, slice, tensor_1d},
    simd::{SimdKernel, SimdWidth, dispatch, load, load_first, store, store_first},
};
use crate::{
    autograd::{ForwardOutput, GradSink, Input, Operation, apply, constant_like},
    layer::Activation,
};

/// Batch norm over each of the ghost batches, then leaky ReLU: the output, and mean and variance of each
/// ghost batch.
pub(crate) fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    ghost_batches: usize,
    epsilon: f32,
    activation: Activation,
) -> (Tensor<4>, Vec<[Tensor<1>; 2]>) {
    let operation = BatchNorm { ghost_batches, epsilon, negative_slope: activation.negative_slope() };
    let (output, stats) = apply(operation, [Input::new(x), Input::new(gamma), Input::new(beta)]);
    let tensor = |values: &[f32]| constant_like::<Flex, 4, 1>(&output, tensor_1d(values));
    let stats =
        stats.iter().map(|ChannelStats { mean, variance }| [tensor(mean), tensor(variance)]).collect();
    (output, stats)
}

#[derive(Debug)]
struct BatchNorm {
    ghost_batches: usize,
    epsilon: f32,
    negative_slope: f32,
}

#[derive(Clone, Debug)]
struct SavedForBackward {
    x: FeatureMap,
    gamma: FlexTensor,
    beta: FlexTensor,
    /// Those of each ghost batch.
    stats: Vec<ChannelStats>,
}

impl Operation<Flex, 3> for BatchNorm {
    type SavedForBackward = SavedForBackward;
    type Extra = Vec<ChannelStats>;

    fn forward(
        &self,
        [x, gamma, beta]: [FlexTensor; 3],
    ) -> ForwardOutput<Flex, SavedForBackward, Vec<ChannelStats>> {
        let (x, gamma, beta) = (FeatureMap::new(x), gamma.to_contiguous(), beta.to_contiguous());
        let (size, channels) = (x.shape.size(), x.shape.channels);
        let mut y = Buffer::uncleared(size);
        // Images lie one behind the other, so a ghost batch is a slice.
        let part = size / self.ghost_batches;
        let parts = x.values().chunks(part).zip(y.chunks_mut(part));
        let stats = parts.map(|(x, y)| {
            let stats = channel_stats(x, channels);
            let (scale, shift) = stats.affine(slice(&gamma), slice(&beta), self.epsilon);
            normalize(x, &scale, &shift, self.negative_slope, y);
            stats
        });
        let stats: Vec<ChannelStats> = stats.collect();
        let output = FeatureMap::from_buffer(y, x.shape);
        ForwardOutput {
            output: output.into_tensor(),
            saved: SavedForBackward { x, gamma, beta, stats: stats.clone() },
            extra: stats,
        }
    }

    fn backward(&self, saved: SavedForBackward, dy: FlexTensor, grads: &mut GradSink<'_, Flex, 3>) {
        let dy = FeatureMap::new(dy);
        let SavedForBackward { x, gamma, beta, stats } = saved;
        let (size, channels) = (x.shape.size(), x.shape.channels);
        let mut dx = Buffer::uncleared(size);
        let [mut d_gamma, mut d_beta] = [(); 2].map(|()| vec![0.0; channels]);
        let part = size / self.ghost_batches;
        let parts = x.values().chunks(part).zip(dy.values().chunks(part)).zip(dx.chunks_mut(part));
        for (((x, dy), dx), stats) in parts.zip(&stats) {
            let affine = stats.affine(slice(&gamma), slice(&beta), self.epsilon);
            self.input_gradient([x, dy], stats, affine, dx, [&mut d_gamma, &mut d_beta]);
        }
        grads.register(0, || FeatureMap::from_buffer(dx, x.shape).into_tensor());
        grads.register(1, || tensor_1d(&d_gamma));
        grads.register(2, || tensor_1d(&d_beta));
    }
}

/// `y = max(v, negative_slope v)` of `v = scale x + shift`, one scale and shift for each channel.
fn normalize(x: &[f32], scale: &[f32], shift: &[f32], negative_slope: f32, y: &mut [f32]) {
    let channels = scale.len();
    let row_blocks = RowBlocks::new(x.len(), channels);
    let (scale, shift) = (Buffer::padded(scale), Buffer::padded(shift));
    y.par_chunks_mut(row_blocks.block * channels).enumerate().for_each(|(block, y)| {
        dispatch(NormalizeKernel {
            x: row_blocks.slice(x, block),
            scale: &scale,
            shift: &shift,
            negative_slope,
            channels,
            y,
        });
    });
}

struct NormalizeKernel<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    negative_slope: f32,
    channels: usize,
    y: &'a mut [f32],
}

impl SimdKernel for NormalizeKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let negative_slope = simd.splat_f32s(self.negative_slope);
        for (x, y) in self.x.chunks_exact(self.channels).zip(self.y.chunks_exact_mut(self.channels)) {
            for first in (0..self.channels).step_by(width) {
                let left = self.channels - first;
                // SAFETY: rows have `channels` values, scale and shift whole registers.
                unsafe {
                    let v = load_first(simd, x.as_ptr().add(first), left);
                    let scale = load::<S>(self.scale.as_ptr().add(first));
                    let shift = load::<S>(self.shift.as_ptr().add(first));
                    let v = simd.mul_add_e_f32s(v, scale, shift);
                    let v = simd.max_f32s(v, simd.mul_f32s(v, negative_slope));
                    store_first(simd, y.as_mut_ptr().add(first), left, v);
                }
            }
        }
    }
}

impl BatchNorm {
    /// The gradient of the input into `dx`, from that of the output and the `affine` scale and shift of the
    /// forward pass; adds up the gradients of gamma and beta.
    fn input_gradient(
        &self,
        [x, dy]: [&[f32]; 2],
        stats: &ChannelStats,
        (scale, shift): (Vec<f32>, Vec<f32>),
        dx: &mut [f32],
        [d_gamma, d_beta]: [&mut [f32]; 2],
    ) {
        let channels = scale.len();
        let row_blocks = RowBlocks::new(dy.len(), channels);
        let width = channels.next_multiple_of(SimdWidth::detect().lanes);
        let inverse = stats.inverse_deviation(self.epsilon);
        let [mean, scale, shift] = [&stats.mean, &scale, &shift].map(|values| Buffer::padded(values));
        let rows = |block| Rows {
            x: row_blocks.slice(x, block),
            dy: row_blocks.slice(dy, block),
            scale: &scale,
            shift: &shift,
            negative_slope: self.negative_slope,
            channels,
        };

        let mut parts = Buffer::uncleared(row_blocks.count() * 2 * width);
        parts.par_chunks_mut(2 * width).enumerate().for_each(|(block, part)| {
            let (sum, product) = part.split_at_mut(width);
            dispatch(SumsKernel { rows: rows(block), mean: &mean, sum, product });
        });
        let (mut sum, mut product) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        for part in parts.chunks(2 * width) {
            for channel in 0..channels {
                sum[channel] += f64::from(part[channel]);
                product[channel] += f64::from(part[width + channel]) * f64::from(inverse[channel]);
            }
        }
        // dx = scale (g - mean(g) - xhat mean(g xhat)), written as scale g + x_factor x + offset.
        let count = row_blocks.rows as f64;
        let x_factor: Vec<f32> = (0..channels)
            .map(|c| (-f64::from(scale[c]) * f64::from(inverse[c]) * product[c] / count) as f32)
            .collect();
        let offset: Vec<f32> = (0..channels)
            .map(|c| {
                (-f64::from(scale[c]) * sum[c] / count - f64::from(x_factor[c]) * f64::from(mean[c])) as f32
            })
            .collect();
        let (x_factor, offset) = (Buffer::padded(&x_factor), Buffer::padded(&offset));
        dx.par_chunks_mut(row_blocks.block * channels).enumerate().for_each(|(block, dx)| {
            dispatch(BackwardKernel { rows: rows(block), x_factor: &x_factor, offset: &offset, dx });
        });
        for channel in 0..channels {
            d_gamma[channel] += product[channel] as f32;
            d_beta[channel] += sum[channel] as f32;
        }
    }
}

/// The gradient before leaky ReLU: `dy`, times the negative slope where `v` was not positive.
#[inline(always)]
fn before_leaky_relu<S: Simd>(simd: S, v: S::f32s, dy: S::f32s, negative_slope: S::f32s) -> S::f32s {
    let positive = simd.greater_than_f32s(v, simd.splat_f32s(0.0));
    simd.select_f32s(positive, dy, simd.mul_f32s(dy, negative_slope))
}

/// A block of rows before normalization, the gradient of its output, and what the forward pass did to every
/// channel.
struct Rows<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    negative_slope: f32,
    channels: usize,
}

struct SumsKernel<'a> {
    rows: Rows<'a>,
    mean: &'a [f32],
    sum: &'a mut [f32],
    product: &'a mut [f32],
}

impl SimdKernel for SumsKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let Rows { x, dy, scale, shift, negative_slope, channels } = self.rows;
        let negative_slope = simd.splat_f32s(negative_slope);
        for first in (0..channels).step_by(width) {
            let left = channels - first;
            let (mut sum, mut product) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
            // SAFETY: rows have `channels` values, everything else whole registers.
            unsafe {
                let mean = load::<S>(self.mean.as_ptr().add(first));
                let scale = load::<S>(scale.as_ptr().add(first));
                let shift = load::<S>(shift.as_ptr().add(first));
                for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
                    let x = load_first(simd, x.as_ptr().add(first), left);
                    let dy = load_first(simd, dy.as_ptr().add(first), left);
                    let g = before_leaky_relu(simd, simd.mul_add_e_f32s(x, scale, shift), dy, negative_slope);
                    sum = simd.add_f32s(sum, g);
                    product = simd.mul_add_e_f32s(g, simd.sub_f32s(x, mean), product);
                }
                store::<S>(self.sum[first..][..width].as_mut_ptr(), sum);
                store::<S>(self.product[first..][..width].as_mut_ptr(), product);
            }
        }
    }
}

struct BackwardKernel<'a> {
    rows: Rows<'a>,
    x_factor: &'a [f32],
    offset: &'a [f32],
    dx: &'a mut [f32],
}

impl SimdKernel for BackwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let Rows { x, dy, scale, shift, negative_slope, channels } = self.rows;
        let negative_slope = simd.splat_f32s(negative_slope);
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(self.dx.chunks_exact_mut(channels)) {
            for first in (0..channels).step_by(width) {
                let left = channels - first;
                // SAFETY: rows have `channels` values, everything else whole registers.
                unsafe {
                    let scale = load::<S>(scale.as_ptr().add(first));
                    let shift = load::<S>(shift.as_ptr().add(first));
                    let x_factor = load::<S>(self.x_factor.as_ptr().add(first));
                    let offset = load::<S>(self.offset.as_ptr().add(first));
                    let x = load_first(simd, x.as_ptr().add(first), left);
                    let dy = load_first(simd, dy.as_ptr().add(first), left);
                    let g = before_leaky_relu(simd, simd.mul_add_e_f32s(x, scale, shift), dy, negative_slope);
                    let value = simd.mul_add_e_f32s(g, scale, simd.mul_add_e_f32s(x, x_factor, offset));
                    store_first(simd, dx.as_mut_ptr().add(first), left, value);
                }
            }
        }
    }
}
