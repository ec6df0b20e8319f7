//! The sum of parts.

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{dims, empty, one_unit_each, vector_size};

#[cube(launch)]
fn sum_kernel<I: Numeric, O: Numeric, N: Size>(
    parts: &Tensor<Vector<I, N>>,
    total: &mut Tensor<Vector<O, N>>,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= total.len() {
        terminate!();
    }
    let mut sum = Vector::<f32, N>::cast_from(0u32);
    for part in 0..parts.shape(0) {
        sum += Vector::cast_from(parts[part * total.len() + ABSOLUTE_POS]);
    }
    total[ABSOLUTE_POS] = Vector::cast_from(sum);
}

/// The sum `[rows, columns]` of matrices `[parts, rows, columns]`.
pub(super) fn sum(parts: CubeTensor, dtype: DType) -> CubeTensor {
    let [_, rows, columns] = dims(&parts);
    let total = empty(&parts, [rows, columns], dtype);
    let vector_size = vector_size(&[&total]);
    let (cube_count, cube_dim) = one_unit_each(&parts, rows * columns / vector_size);
    let dtypes = [parts.dtype, dtype].map(dtype_to_storage_type);
    sum_kernel::launch(
        &parts.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        parts.into_tensor_arg(),
        total.clone().into_tensor_arg(),
        dtypes,
    );
    total
}
