//! Local response normalization and its gradient.

use burn::{backend::Flex, tensor::Tensor};
use burn_flex::FlexTensor;
use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::Buffer,
    feature_map::FeatureMap,
    simd::{SimdKernel, dispatch},
};
use crate::autograd::{ForwardOutput, GradSink, Input, Operation, apply};

/// Local response normalization: `x (k + scale sum x^2)^(-3/4)`, the sum over `size` neighboring channels.
pub(crate) fn local_response_norm(x: Tensor<4>, size: usize, scale: f32, k: f32) -> Tensor<4> {
    apply(LocalResponseNorm { size, scale, k }, [Input::new(x)]).0
}

/// `x b^(-3/4)` of `b = k + scale sum x^2`, the sum over `size` neighboring channels.
#[derive(Clone, Copy, Debug)]
struct LocalResponseNorm {
    size: usize,
    scale: f32,
    k: f32,
}

impl Operation<Flex, 1> for LocalResponseNorm {
    /// The input.
    type SavedForBackward = FeatureMap;
    type Extra = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> ForwardOutput<Flex, FeatureMap, ()> {
        let x = FeatureMap::new(x);
        let (channels, params) = (x.shape.channels, *self);
        let output = FeatureMap::compute(x.shape, |y| {
            let pixels = x.values().par_chunks(PIXELS_PER_TASK * channels);
            let tasks = y.par_chunks_mut(PIXELS_PER_TASK * channels).zip(pixels);
            tasks.for_each(|(y, x)| dispatch(ForwardKernel { params, channels, x, y }));
        });
        ForwardOutput { saved: x, output: output.into_tensor(), extra: () }
    }

    fn backward(&self, x: FeatureMap, dy: FlexTensor, grads: &mut GradSink<'_, Flex, 1>) {
        let dy = FeatureMap::new(dy);
        let (channels, params) = (x.shape.channels, *self);
        grads.register(0, || {
            let dx = FeatureMap::compute(x.shape, |dx| {
                let [x, dy] = [&x, &dy].map(|map| map.values().par_chunks(PIXELS_PER_TASK * channels));
                let tasks = dx.par_chunks_mut(PIXELS_PER_TASK * channels).zip(x.zip(dy));
                tasks.for_each(|(dx, (x, dy))| dispatch(BackwardKernel { params, channels, x, dy, dx }));
            });
            dx.into_tensor()
        });
    }
}

/// Pixels that one task handles.
const PIXELS_PER_TASK: usize = 128;

/// Values of one pixel between zeros, and their sums over each channel's neighbors.
struct NeighborSums {
    padded: Buffer,
    margin: usize,
    sums: Buffer,
}

impl NeighborSums {
    fn new(size: usize, channels: usize) -> Self {
        let padded = Buffer::zeroed(channels + size - 1);
        Self { padded, margin: size / 2, sums: Buffer::uncleared(channels) }
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        let channels = self.sums.len();
        &mut self.padded[self.margin..][..channels]
    }

    #[inline(always)]
    fn sums(&mut self) -> &[f32] {
        let Self { padded, margin, sums } = self;
        let channels = sums.len();
        sums.copy_from_slice(&padded[..channels]);
        for shift in 1..=2 * *margin {
            for (sum, value) in sums.iter_mut().zip(&padded[shift..][..channels]) {
                *sum += value;
            }
        }
        sums
    }
}

/// `b^(-3/4)`.
#[inline(always)]
fn power(b: f32) -> f32 {
    let root = b.sqrt();
    1.0 / (root * root.sqrt())
}

struct ForwardKernel<'a> {
    params: LocalResponseNorm,
    channels: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl SimdKernel for ForwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        let Self { params: LocalResponseNorm { size, scale, k }, channels, x, y } = self;
        let mut squares = NeighborSums::new(size, channels);
        for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
            for (square, x) in squares.values().iter_mut().zip(x) {
                *square = x * x;
            }
            for ((y, x), sum) in y.iter_mut().zip(x).zip(squares.sums()) {
                *y = x * power(scale.mul_add(*sum, k));
            }
        }
    }
}

struct BackwardKernel<'a> {
    params: LocalResponseNorm,
    channels: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl SimdKernel for BackwardKernel<'_> {
    /// `dx = dy b^(-3/4) - 3/2 scale x sum (dy x b^(-7/4))`, the sum over the same neighbors.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        let Self { params: LocalResponseNorm { size, scale, k }, channels, x, dy, dx } = self;
        let mut squares = NeighborSums::new(size, channels);
        let mut terms = NeighborSums::new(size, channels);
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(channels)) {
            for (square, x) in squares.values().iter_mut().zip(x) {
                *square = x * x;
            }
            let inputs = x.iter().zip(dy).zip(squares.sums());
            for ((dx, term), ((x, dy), sum)) in dx.iter_mut().zip(terms.values()).zip(inputs) {
                let b = scale.mul_add(*sum, k);
                *dx = dy * power(b);
                *term = *dx * x / b;
            }
            for ((dx, x), sum) in dx.iter_mut().zip(x).zip(terms.sums()) {
                *dx -= 1.5 * scale * x * sum;
            }
        }
    }
}
