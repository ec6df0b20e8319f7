//! Weights of a convolution as the matrix that columns are multiplied by, and the gradient of weights from
//! such matrices.

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{prelude::*, std::FastDivmod};

use super::layout::{AT_ONCE, dims, empty, one_unit_each};

/// Weights that a cube adds up side by side, and its shares of the parts.
const LANES: usize = 32;
const LINES: usize = 8;

/// Parts from which on they are shared.
const MANY_PARTS: usize = 4;

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

/// For few parts: one unit adds up the gradients of the weights of one pair of channels, which are written
/// side by side.
#[cube(launch)]
fn pair_gradient_kernel<I: Numeric, O: Numeric>(
    parts: &Tensor<I>,
    gradient: &mut Tensor<O>,
    larges: FastDivmod<usize>,
    #[comptime] taps: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let to = ABSOLUTE_POS * taps;
    if to >= gradient.len() {
        terminate!();
    }
    let (small, large) = larges.div_mod(ABSOLUTE_POS);
    let width = parts.shape(2);
    let larges = width / taps;
    for tap in 0..taps {
        let from = small * width + tap * larges + large;
        let mut sum = f32::cast_from(0u32);
        for part in 0..parts.shape(0) {
            sum += f32::cast_from(parts[part * gradient.len() + from]);
        }
        gradient[to + tap] = O::cast_from(sum);
    }
}

/// For many parts: each line of a cube adds up its share of the parts, side by side as they are read, and the
/// first line adds up the lines.
#[cube(launch)]
fn weight_gradient_kernel<I: Numeric, O: Numeric>(
    parts: &Tensor<I>,
    gradient: &mut Tensor<O>,
    widths: FastDivmod<usize>,
    larges: FastDivmod<usize>,
    #[comptime] taps: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let from = CUBE_POS_X as usize * LANES + UNIT_POS_X as usize;
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let mut sum = f32::cast_from(0u32);
    if from < gradient.len() {
        let mut part = UNIT_POS_Y as usize;
        while part < parts.shape(0) {
            #[unroll]
            for _ in 0..AT_ONCE {
                if part < parts.shape(0) {
                    sum += f32::cast_from(parts[part * gradient.len() + from]);
                }
                part += LINES;
            }
        }
    }
    shared[UNIT_POS_Y as usize * LANES + UNIT_POS_X as usize] = sum;
    sync_cube();
    if UNIT_POS_Y == 0 && from < gradient.len() {
        let mut sum = f32::cast_from(0u32);
        #[unroll]
        for line in 0..LINES {
            sum += shared[line * LANES + UNIT_POS_X as usize];
        }
        let (small, rest) = widths.div_mod(from);
        let (tap, large) = larges.div_mod(rest);
        gradient[(small * (parts.shape(2) / taps) + large) * taps + tap] = O::cast_from(sum);
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
    let dtypes = [parts.dtype, dtype].map(dtype_to_storage_type);
    let client = parts.client.clone();
    let [count, _, width] = dims(&parts);
    if count < MANY_PARTS {
        let (cube_count, cube_dim) = one_unit_each(&parts, small * large);
        pair_gradient_kernel::launch(
            &client,
            cube_count,
            cube_dim,
            parts.into_tensor_arg(),
            gradient.clone().into_tensor_arg(),
            large,
            taps,
            dtypes,
        );
    } else {
        weight_gradient_kernel::launch(
            &client,
            CubeCount::Static((small * width).div_ceil(LANES) as u32, 1, 1),
            CubeDim::new_2d(LANES as u32, LINES as u32),
            parts.into_tensor_arg(),
            gradient.clone().into_tensor_arg(),
            width,
            large,
            taps,
            dtypes,
        );
    }
    gradient
}
