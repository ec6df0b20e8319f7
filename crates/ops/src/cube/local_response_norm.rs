//! Local response normalization and its gradient, for pixels `[rows, channels]`.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{dims, empty, one_unit_each};

/// What the kernels know of it: `x / (k + scale sum x^2)^(3/4)`, the sum over `size` neighboring channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseNorm {
    pub(super) size: usize,
    pub(super) scale: f32,
    pub(super) k: f32,
}

/// The channels around one, those of a row that begins at `row`: the first, and the one after the last.
#[cube]
fn neighbors(at: usize, row: usize, channels: usize, #[comptime] size: usize) -> (usize, usize) {
    let channel = at - row;
    let margin = comptime!(size / 2);
    let first = clamp_min(channel, margin) - margin;
    (row + first, row + clamp_max(channel + margin + 1, channels))
}

/// The fourth root to the power of three.
#[cube]
fn three_quarters(base: f32) -> f32 {
    let root = base.sqrt();
    root * root.sqrt()
}

/// One unit computes one value, and the base of the power that it is divided by.
#[cube(launch)]
fn local_response_norm_kernel(
    x: &Tensor<f32>,
    y: &mut Tensor<f32>,
    bases: &mut Tensor<f32>,
    scale: f32,
    k: f32,
    #[comptime] size: usize,
) {
    if ABSOLUTE_POS >= x.len() {
        terminate!();
    }
    let channels = x.shape(1);
    let row = ABSOLUTE_POS / channels * channels;
    let (first, end) = neighbors(ABSOLUTE_POS, row, channels, size);
    let mut sum = 0.0f32;
    for other in first..end {
        sum += x[other] * x[other];
    }
    let base = k + scale * sum;
    bases[ABSOLUTE_POS] = base;
    y[ABSOLUTE_POS] = x[ABSOLUTE_POS] / three_quarters(base);
}

/// `dy b^(-3/4) - (3/2) scale x sum(dy x b^(-7/4))` with the bases `b`.
#[cube(launch)]
fn local_response_norm_backward_kernel(
    x: &Tensor<f32>,
    bases: &Tensor<f32>,
    dy: &Tensor<f32>,
    dx: &mut Tensor<f32>,
    scale: f32,
    #[comptime] size: usize,
) {
    if ABSOLUTE_POS >= x.len() {
        terminate!();
    }
    let channels = x.shape(1);
    let row = ABSOLUTE_POS / channels * channels;
    let (first, end) = neighbors(ABSOLUTE_POS, row, channels, size);
    let mut sum = 0.0f32;
    for other in first..end {
        let base = bases[other];
        sum += dy[other] * x[other] / (base * three_quarters(base));
    }
    dx[ABSOLUTE_POS] =
        dy[ABSOLUTE_POS] / three_quarters(bases[ABSOLUTE_POS]) - 1.5f32 * scale * x[ABSOLUTE_POS] * sum;
}

/// The result, and the bases, for the way back.
pub(super) fn forward(x: CubeTensor, norm: ResponseNorm) -> [CubeTensor; 2] {
    let [rows, channels] = dims(&x);
    let [y, bases] = [(); 2].map(|()| empty(&x, [rows, channels], DType::F32));
    let (cube_count, cube_dim) = one_unit_each(&x, rows * channels);
    local_response_norm_kernel::launch(
        &x.client.clone(),
        cube_count,
        cube_dim,
        x.into_tensor_arg(),
        y.clone().into_tensor_arg(),
        bases.clone().into_tensor_arg(),
        norm.scale,
        norm.k,
        norm.size,
    );
    [y, bases]
}

/// The gradient of the input.
pub(super) fn backward([x, bases, dy]: [CubeTensor; 3], norm: ResponseNorm) -> CubeTensor {
    let [rows, channels] = dims(&x);
    let dx = empty(&x, [rows, channels], DType::F32);
    let (cube_count, cube_dim) = one_unit_each(&x, rows * channels);
    local_response_norm_backward_kernel::launch(
        &x.client.clone(),
        cube_count,
        cube_dim,
        x.into_tensor_arg(),
        bases.into_tensor_arg(),
        dy.into_tensor_arg(),
        dx.clone().into_tensor_arg(),
        norm.scale,
        norm.size,
    );
    dx
}
