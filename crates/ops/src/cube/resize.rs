//! Bilinear interpolation and its gradient.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{channels_first, dims, empty, one_unit_each};

/// The two of `from` pixels that pixel `pixel` of `to` lies between, and how near it is to the second.
#[cube]
fn between(pixel: usize, from: usize, to: usize) -> (usize, usize, f32) {
    let place = (f32::cast_from(pixel as u32) + 0.5f32) * f32::cast_from(from as u32)
        / f32::cast_from(to as u32)
        - 0.5f32;
    let place = max(place, 0.0f32);
    let before = clamp_max(u32::cast_from(place) as usize, from - 1);
    (before, clamp_max(before + 1, from - 1), place - f32::cast_from(before as u32))
}

/// One unit computes one value of one channel, row by row.
#[cube(launch)]
fn resize_kernel(x: &Tensor<f32>, y: &mut Tensor<f32>) {
    if ABSOLUTE_POS >= y.len() {
        terminate!();
    }
    let (height, width) = (y.shape(2), y.shape(3));
    let (row, column) = (ABSOLUTE_POS / width % height, ABSOLUTE_POS % width);
    let plane = ABSOLUTE_POS / width / height;
    let origin = plane / y.shape(1) * x.stride(0) + plane % y.shape(1) * x.stride(1);

    let (top, bottom, down) = between(row, x.shape(2), height);
    let (left, right, along) = between(column, x.shape(3), width);
    let (top, bottom) = (origin + top * x.stride(2), origin + bottom * x.stride(2));
    let (left, right) = (left * x.stride(3), right * x.stride(3));
    let upper = x[top + left] * (1.0f32 - along) + x[top + right] * along;
    let lower = x[bottom + left] * (1.0f32 - along) + x[bottom + right] * along;
    y[ABSOLUTE_POS] = upper * (1.0f32 - down) + lower * down;
}

/// How much pixel `pixel` of `from` has in pixel `other` of `to`.
#[cube]
fn share(pixel: usize, other: usize, from: usize, to: usize) -> f32 {
    let (before, after, fraction) = between(other, from, to);
    select(before == pixel, 1.0f32 - fraction, 0.0f32) + select(after == pixel, fraction, 0.0f32)
}

/// The pixels of `to` that may have something of pixel `pixel` of `from`: the first, and the one after the
/// last.
#[cube]
fn reached(pixel: usize, from: usize, to: usize) -> (usize, usize) {
    let scale = f32::cast_from(to as u32) / f32::cast_from(from as u32);
    // One more on either side for rounding.
    let first = (f32::cast_from(pixel as u32) - 0.5f32) * scale - 1.5f32;
    let last = (f32::cast_from(pixel as u32) + 1.5f32) * scale + 1.5f32;
    (u32::cast_from(max(first, 0.0f32)) as usize, clamp_max(u32::cast_from(last) as usize + 1, to))
}

/// One unit computes one value of the gradient, channels last: what its pixel has in those of the result.
#[cube(launch)]
fn resize_backward_kernel(dy: &Tensor<f32>, dx: &mut Tensor<f32>) {
    if ABSOLUTE_POS >= dx.len() {
        terminate!();
    }
    let (height, width, channels) = (dx.shape(1), dx.shape(2), dx.shape(3));
    let (channel, pixel) = (ABSOLUTE_POS % channels, ABSOLUTE_POS / channels);
    let (row, column) = (pixel / width % height, pixel % width);
    let origin = pixel / width / height * dy.stride(0) + channel * dy.stride(1);

    let (top, bottom) = reached(row, height, dy.shape(2));
    let (left, right) = reached(column, width, dy.shape(3));
    let mut sum = 0.0f32;
    for y in top..bottom {
        let down = share(row, y, height, dy.shape(2));
        for x in left..right {
            let along = share(column, x, width, dy.shape(3));
            sum += down * along * dy[origin + y * dy.stride(2) + x * dy.stride(3)];
        }
    }
    dx[ABSOLUTE_POS] = sum;
}

/// `[batch, channels, height, width]` in any layout as `[batch, channels, side, side]`, row by row.
pub(super) fn forward(x: CubeTensor, side: usize) -> CubeTensor {
    let [batch, channels, _, _] = dims(&x);
    let y = empty(&x, [batch, channels, side, side], DType::F32);
    let (cube_count, cube_dim) = one_unit_each(&x, batch * channels * side * side);
    resize_kernel::launch(
        &x.client.clone(),
        cube_count,
        cube_dim,
        x.into_tensor_arg(),
        y.clone().into_tensor_arg(),
    );
    y
}

/// The gradient of an input of this height and width, channels last.
pub(super) fn backward(dy: CubeTensor, [height, width]: [usize; 2]) -> CubeTensor {
    let [batch, channels, _, _] = dims(&dy);
    let dx = empty(&dy, [batch, height, width, channels], DType::F32);
    let (cube_count, cube_dim) = one_unit_each(&dy, batch * height * width * channels);
    resize_backward_kernel::launch(
        &dy.client.clone(),
        cube_count,
        cube_dim,
        dy.into_tensor_arg(),
        dx.clone().into_tensor_arg(),
    );
    channels_first(dx)
}
