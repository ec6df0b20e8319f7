//! Leaky ReLU where neither batch norm nor a convolution computes it, and its gradient.

use burn::backend::cubecl::dtype_to_storage_type;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{dims, empty, one_unit_each, vector_size};

/// `max(x, negative_slope x)`.
#[cube(launch)]
fn leaky_relu_kernel<F: Numeric, N: Size>(
    x: &Tensor<Vector<F, N>>,
    y: &mut Tensor<Vector<F, N>>,
    negative_slope: f32,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= x.len() {
        terminate!();
    }
    let value = Vector::<f32, N>::cast_from(x[ABSOLUTE_POS]);
    y[ABSOLUTE_POS] = Vector::cast_from(max(value, value * Vector::new(negative_slope)));
}

/// The gradient passes where the result is positive, and is multiplied by the negative slope elsewhere.
#[cube(launch)]
fn leaky_relu_backward_kernel<F: Numeric, N: Size>(
    y: &Tensor<Vector<F, N>>,
    dy: &Tensor<Vector<F, N>>,
    dx: &mut Tensor<Vector<F, N>>,
    negative_slope: f32,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= y.len() {
        terminate!();
    }
    let positive = Vector::<f32, N>::cast_from(y[ABSOLUTE_POS]).greater_than(&Vector::new(0.0f32));
    let gradient = Vector::<f32, N>::cast_from(dy[ABSOLUTE_POS]);
    let gradient = select_many(positive, gradient, gradient * Vector::new(negative_slope));
    dx[ABSOLUTE_POS] = Vector::cast_from(gradient);
}

/// For pixels `[rows, channels]`.
pub(super) fn forward(x: CubeTensor, negative_slope: f32) -> CubeTensor {
    let [rows, channels] = dims(&x);
    let y = empty(&x, [rows, channels], x.dtype);
    let vector_size = vector_size(&[&x]);
    let (cube_count, cube_dim) = one_unit_each(&x, rows * channels / vector_size);
    let dtype = dtype_to_storage_type(x.dtype);
    leaky_relu_kernel::launch(
        &x.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        x.into_tensor_arg(),
        y.clone().into_tensor_arg(),
        negative_slope,
        dtype,
    );
    y
}

/// The gradient of the input from result and gradient, both `[rows, channels]`.
pub(super) fn backward([y, dy]: [CubeTensor; 2], negative_slope: f32) -> CubeTensor {
    let [rows, channels] = dims(&y);
    let dx = empty(&y, [rows, channels], y.dtype);
    let vector_size = vector_size(&[&y]);
    let (cube_count, cube_dim) = one_unit_each(&y, rows * channels / vector_size);
    let dtype = dtype_to_storage_type(y.dtype);
    leaky_relu_backward_kernel::launch(
        &y.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        y.into_tensor_arg(),
        dy.into_tensor_arg(),
        dx.clone().into_tensor_arg(),
        negative_slope,
        dtype,
    );
    dx
}
