//! Weights of a convolution as the matrix that columns are multiplied by, and the gradient of weights from
//! such matrices.

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{prelude::*, std::FastDivmod};

use super::layout::{dims, empty, one_unit_each};

/// Units that keep a large card busy.
const MANY_UNITS: usize = 1 << 14;

/// One unit moves the weights of one pair of channels: they are read side by side, and written side by side
/// by neighbouring units.
#[cube(launch)]
fn weight_matrix_kernel<I: Numeric, O: Numeric>(
    weight: &Tensor<I>,
    matrix: &mut Tensor<O>,
    larges: FastDivmod<usize>,
    #[comptime] taps: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let from = ABSOLUTE_POS * taps;
    if from >= weight.len() {
        terminate!();
    }
    let (small, large) = larges.div_mod(ABSOLUTE_POS);
    let width = matrix.shape(1);
    let larges = width / taps;
    for tap in 0..taps {
        matrix[small * width + tap * larges + large] = O::cast_from(weight[from + tap]);
    }
}

/// One unit adds up the gradients of the weights of one pair of channels, or of one weight.
#[cube(launch)]
fn weight_gradient_kernel<I: Numeric, O: Numeric>(
    parts: &Tensor<I>,
    gradient: &mut Tensor<O>,
    larges: FastDivmod<usize>,
    #[comptime] taps: usize,
    #[comptime] taps_of_unit: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let to = ABSOLUTE_POS * taps_of_unit;
    if to >= gradient.len() {
        terminate!();
    }
    let (pair, first) = (to / taps, to % taps);
    let (small, large) = larges.div_mod(pair);
    let width = parts.shape(2);
    let larges = width / taps;
    for tap in first..first + taps_of_unit {
        let from = small * width + tap * larges + large;
        let mut sum = f32::cast_from(0u32);
        for part in 0..parts.shape(0) {
            sum += f32::cast_from(parts[part * gradient.len() + from]);
        }
        gradient[to + tap - first] = O::cast_from(sum);
    }
}

/// Weights `[small, large, kernel, kernel]` as a matrix `[small, kernel^2 large]`, in the order of columns.
pub(super) fn weight_matrix(weight: CubeTensor, dtype: DType) -> CubeTensor {
    let [small, large, kernel, _] = dims(&weight);
    let weight = into_contiguous(weight);
    let matrix = empty(&weight, [small, kernel * kernel * large], dtype);
    let (cube_count, cube_dim) = one_unit_each(&weight, small * large);
    let dtypes = [weight.dtype, dtype].map(dtype_to_storage_type);
    weight_matrix_kernel::launch(
        &weight.client.clone(),
        cube_count,
        cube_dim,
        weight.into_tensor_arg(),
        matrix.clone().into_tensor_arg(),
        large,
        kernel * kernel,
        dtypes,
    );
    matrix
}

/// The gradient of weights `[small, large, kernel, kernel]` from parts `[parts, small, kernel^2 large]` that
/// add up to it.
pub(super) fn weight_gradient(parts: CubeTensor, weight_dims: [usize; 4], dtype: DType) -> CubeTensor {
    let [small, large, kernel, _] = weight_dims;
    let gradient = empty(&parts, weight_dims, dtype);
    let taps = kernel * kernel;
    let taps_of_unit = if small * large < MANY_UNITS { 1 } else { taps };
    let (cube_count, cube_dim) = one_unit_each(&parts, small * large * taps / taps_of_unit);
    let dtypes = [parts.dtype, dtype].map(dtype_to_storage_type);
    weight_gradient_kernel::launch(
        &parts.client.clone(),
        cube_count,
        cube_dim,
        parts.into_tensor_arg(),
        gradient.clone().into_tensor_arg(),
        large,
        taps,
        taps_of_unit,
        dtypes,
    );
    gradient
}
