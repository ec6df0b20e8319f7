//! Weights of a convolution as the matrix that columns are multiplied by, and the gradient of weights from
//! such matrices.

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{prelude::*, std::FastDivmod};

use super::layout::{AT_ONCE, contiguous, dims, empty, one_unit_each};

/// Weights that a cube adds up side by side, and its shares of the parts.
const LANES: usize = 32;
const LINES: usize = 8;

/// Values that one unit adds up, at most; where a pair of channels has more, units of a cube share the parts.
const VALUES_OF_UNIT: usize = 64;

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

/// For few values: one unit adds up the gradients of the weights of one pair of channels, which are written
/// side by side.
#[cube(launch)]
fn pair_gradient_kernel<I: Numeric, O: Numeric, N: Size>(
    parts: &Tensor<I>,
    gradient: &mut Tensor<Vector<O, N>>,
    larges: FastDivmod<usize>,
    #[comptime] count: usize,
    #[comptime] taps: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let vector_size = gradient.vector_size();
    let vectors = comptime!(taps / vector_size);
    let to = ABSOLUTE_POS * vectors;
    if to >= gradient.len() {
        terminate!();
    }
    let (small, large) = larges.div_mod(ABSOLUTE_POS);
    // The parts may have more channels than the weights.
    let width = parts.shape(2);
    let larges = width / taps;
    #[unroll]
    for vector in 0..vectors {
        let mut sums = Vector::<O, N>::cast_from(0u32);
        #[unroll]
        for value in 0..vector_size {
            let from = small * width + (vector * vector_size + value) * larges + large;
            let mut sum = f32::cast_from(parts[from]);
            #[unroll]
            for part in 1..count {
                sum += f32::cast_from(parts[part * parts.stride(0) + from]);
            }
            sums.insert(value, O::cast_from(sum));
        }
        gradient[to + vector] = sums;
    }
}

/// For many: each line of a cube adds up its share of the parts, side by side as they are read, and the
/// first line adds up the lines.
#[cube(launch)]
fn weight_gradient_kernel<I: Numeric, O: Numeric>(
    parts: &Tensor<I>,
    gradient: &mut Tensor<O>,
    widths: FastDivmod<usize>,
    // Of the parts, which may be more than those of the weights.
    larges: FastDivmod<usize>,
    large_channels: usize,
    #[comptime] taps: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let size = parts.stride(0);
    let from = CUBE_POS_X as usize * LANES + UNIT_POS_X as usize;
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let mut sum = f32::cast_from(0u32);
    if from < size {
        let mut part = UNIT_POS_Y as usize;
        let count = parts.shape(0);
        while part < count {
            let mut values = Array::<I>::new(AT_ONCE);
            #[unroll]
            for i in 0..AT_ONCE {
                values[i] = parts[clamp_max(part + i * LINES, count - 1) * size + from];
            }
            #[unroll]
            for i in 0..AT_ONCE {
                if part + i * LINES < count {
                    sum += f32::cast_from(values[i]);
                }
            }
            part += AT_ONCE * LINES;
        }
    }
    shared[UNIT_POS_Y as usize * LANES + UNIT_POS_X as usize] = sum;
    sync_cube();
    if UNIT_POS_Y == 0 && from < size {
        let mut sum = f32::cast_from(0u32);
        #[unroll]
        for line in 0..LINES {
            sum += shared[line * LANES + UNIT_POS_X as usize];
        }
        let (small, rest) = widths.div_mod(from);
        let (tap, large) = larges.div_mod(rest);
        if large < large_channels {
            gradient[(small * large_channels + large) * taps + tap] = O::cast_from(sum);
        }
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
/// add up to it; the parts' large channels may be more.
pub(super) fn weight_gradient(parts: CubeTensor, weight_dims: [usize; 4], dtype: DType) -> CubeTensor {
    let [small, large, kernel, _] = weight_dims;
    let [count, _, width] = dims(&parts);
    if [count, kernel, width] == [1, 1, large] && parts.dtype == dtype {
        return contiguous(parts, weight_dims.into());
    }
    let gradient = empty(&parts, weight_dims, dtype);
    let taps = kernel * kernel;
    let dtypes = [parts.dtype, dtype].map(dtype_to_storage_type);
    let client = parts.client.clone();
    if count * taps <= VALUES_OF_UNIT {
        let (cube_count, cube_dim) = one_unit_each(&parts, small * large);
        let vector_size = if taps.is_multiple_of(4) { 4 } else { 1 };
        pair_gradient_kernel::launch(
            &client,
            cube_count,
            cube_dim,
            vector_size,
            parts.into_tensor_arg(),
            gradient.clone().into_tensor_arg(),
            large,
            count,
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
            width / taps,
            large,
            taps,
            dtypes,
        );
    }
    gradient
}
