//! Max pooling and its gradient.

use burn::{backend::Flex, tensor::Tensor};
use burn_flex::FlexTensor;
use pulp::Simd;
use rayon::prelude::*;

use super::{
    feature_map::{FeatureMap, Shape, Sink, Source},
    simd::{SimdKernel, SimdWidth, dispatch, load_first, store_first},
};
use crate::{
    autograd::{ForwardOutput, GradSink, Input, Operation, apply},
    layer::ConvGeometry,
};

pub(crate) fn max_pool(x: Tensor<4>, geometry: ConvGeometry) -> Tensor<4> {
    apply(MaxPool(geometry), [Input::new(x)]).0
}

#[derive(Debug)]
struct MaxPool(ConvGeometry);

impl Operation<Flex, 1> for MaxPool {
    /// Input and output.
    type SavedForBackward = [FeatureMap; 2];
    type Extra = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> ForwardOutput<Flex, [FeatureMap; 2], ()> {
        let x = FeatureMap::new(x);
        let shape = Shape {
            height: self.0.output_size(x.shape.height),
            width: self.0.output_size(x.shape.width),
            ..x.shape
        };
        let output = FeatureMap::compute(shape, |y| {
            let (large, geometry, small) = (x.source(), self.0, Sink::new(y, shape));
            let lines = shape.batch * shape.height;
            (0..lines)
                .into_par_iter()
                .for_each(|line| dispatch(ForwardKernel { large, geometry, small, line }));
        });
        ForwardOutput { saved: [x, output.clone()], output: output.into_tensor(), extra: () }
    }

    fn backward(&self, [x, y]: [FeatureMap; 2], dy: FlexTensor, grads: &mut GradSink<'_, Flex, 1>) {
        let dy = FeatureMap::new(dy);
        grads.register(0, || {
            let dx = FeatureMap::compute(x.shape, |dx| {
                let (large, small, small_gradient) = (x.source(), y.source(), dy.source());
                let (geometry, large_gradient) = (self.0, Sink::new(dx, x.shape));
                let part = CHUNKS_PER_TASK * SimdWidth::detect().lanes;
                let parts = x.shape.channels.div_ceil(part);
                (0..x.shape.batch * parts).into_par_iter().for_each(|task| {
                    let (image, first) = (task / parts, task % parts * part);
                    let channels = (first, (first + part).min(x.shape.channels));
                    dispatch(BackwardKernel {
                        large,
                        small,
                        small_gradient,
                        geometry,
                        large_gradient,
                        image,
                        channels,
                    });
                });
            });
            dx.into_tensor()
        });
    }
}

/// One line of the small map.
struct ForwardKernel<'a> {
    large: Source<'a>,
    geometry: ConvGeometry,
    small: Sink,
    line: usize,
}

/// The corner of the kernel in the large map.
#[inline(always)]
fn corner(geometry: ConvGeometry, y: usize, x: usize) -> [isize; 2] {
    [y, x].map(|at| (at * geometry.stride) as isize - geometry.padding as isize)
}

impl SimdKernel for ForwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let Self { large, geometry, small, line } = self;
        let (image, y) = (line / small.shape.height, line % small.shape.height);
        let channels = small.shape.channels;
        for x in 0..small.shape.width {
            let [top, left] = corner(geometry, y, x);
            let to = small.pixel(image, y, x);
            for first in (0..channels).step_by(S::F32_LANES) {
                let left_over = channels - first;
                let mut most = simd.splat_f32s(f32::NEG_INFINITY);
                for row in 0..geometry.kernel as isize {
                    for column in 0..geometry.kernel as isize {
                        let pixel = large.pixel(image, top + row, left + column);
                        if !pixel.is_null() {
                            // SAFETY: each pixel has its channels.
                            let value = unsafe { load_first(simd, pixel.add(first), left_over) };
                            most = simd.max_f32s(most, value);
                        }
                    }
                }
                // SAFETY: the pixel has its channels, and this task alone writes its line.
                unsafe { store_first(simd, to.add(first), left_over, most) }
            }
        }
    }
}

/// Registers of channels that one task handles.
const CHUNKS_PER_TASK: usize = 4;

/// Some channels of one image: the gradient of each small value goes to the first large one that it is.
struct BackwardKernel<'a> {
    large: Source<'a>,
    small: Source<'a>,
    small_gradient: Source<'a>,
    geometry: ConvGeometry,
    large_gradient: Sink,
    image: usize,
    channels: (usize, usize),
}

impl SimdKernel for BackwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let Self { large, small, small_gradient, geometry, large_gradient, image, channels } = self;
        let zero = simd.splat_f32s(0.0);
        let chunks = || (channels.0..channels.1).step_by(S::F32_LANES);
        for y in 0..large.shape.height {
            for x in 0..large.shape.width {
                let to = large_gradient.pixel(image, y, x);
                for first in chunks() {
                    // SAFETY: the pixel has these channels, which this task alone writes.
                    unsafe { store_first(simd, to.add(first), channels.1 - first, zero) }
                }
            }
        }
        for y in 0..small.shape.height {
            for x in 0..small.shape.width {
                let [top, left] = corner(geometry, y, x);
                let most = small.pixel(image, y as isize, x as isize);
                let dy = small_gradient.pixel(image, y as isize, x as isize);
                for first in chunks() {
                    let count = channels.1 - first;
                    // SAFETY: each pixel has these channels; this task alone writes them.
                    unsafe {
                        let most = load_first(simd, most.add(first), count);
                        // What has not found its value yet.
                        let mut dy = load_first(simd, dy.add(first), count);
                        for row in 0..geometry.kernel as isize {
                            for column in 0..geometry.kernel as isize {
                                let (row, column) = (top + row, left + column);
                                let pixel = large.pixel(image, row, column);
                                if pixel.is_null() {
                                    continue;
                                }
                                let value = load_first(simd, pixel.add(first), count);
                                let found = simd.greater_than_or_equal_f32s(value, most);
                                let to = large_gradient.pixel(image, row as usize, column as usize);
                                let to = to.add(first);
                                let sum = load_first(simd, to, count);
                                let sum = simd.add_f32s(sum, simd.select_f32s(found, dy, zero));
                                store_first(simd, to, count, sum);
                                dy = simd.select_f32s(found, zero, dy);
                            }
                        }
                    }
                }
            }
        }
    }
}
