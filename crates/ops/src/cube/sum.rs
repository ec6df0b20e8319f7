//! The sum of parts of a product, and what follows it.

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::layout::{contiguous, dims, empty, one_unit_each, vector_size};

/// What follows a layer's product: a bias, one number for each column, and `max(x, negative_slope x)`.
#[derive(Clone, Debug)]
pub(super) struct Epilogue {
    pub(super) bias: Option<CubeTensor>,
    pub(super) negative_slope: f32,
}

impl Epilogue {
    pub(super) const NONE: Self = Self { bias: None, negative_slope: 1.0 };

    fn is_none(&self) -> bool {
        self.bias.is_none() && self.negative_slope == 1.0
    }

    pub(super) fn new(bias: Option<CubeTensor>, negative_slope: f32) -> Self {
        Self { bias: bias.map(into_contiguous), negative_slope }
    }
}

#[cube(launch)]
fn sum_kernel<O: Numeric, N: Size>(
    parts: &Tensor<Vector<f32, N>>,
    bias: &Tensor<Vector<f32, N>>,
    total: &mut Tensor<Vector<O, N>>,
    columns: usize,
    negative_slope: f32,
    #[comptime] has_bias: bool,
    #[define(O)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= total.len() {
        terminate!();
    }
    let mut sum = Vector::<f32, N>::cast_from(0u32);
    for part in 0..parts.shape(0) {
        sum += parts[part * total.len() + ABSOLUTE_POS];
    }
    if has_bias {
        sum += bias[ABSOLUTE_POS % columns];
    }
    total[ABSOLUTE_POS] = Vector::cast_from(max(sum, sum * Vector::new(negative_slope)));
}

/// The sum `[rows, columns]` of matrices `[parts, rows, columns]`, and what follows it, in a type.
pub(super) fn sum(parts: CubeTensor, epilogue: &Epilogue, dtype: DType) -> CubeTensor {
    let [count, rows, columns] = dims(&parts);
    if count == 1 && epilogue.is_none() && parts.dtype == dtype {
        return contiguous(parts, [rows, columns].into());
    }
    let total = empty(&parts, [rows, columns], dtype);
    let vector_size = vector_size(&[&total, &parts]);
    let (cube_count, cube_dim) = one_unit_each(&parts, rows * columns / vector_size);
    let bias = epilogue.bias.clone().unwrap_or_else(|| parts.clone());
    sum_kernel::launch(
        &parts.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        parts.into_tensor_arg(),
        bias.into_tensor_arg(),
        total.clone().into_tensor_arg(),
        columns / vector_size,
        epilogue.negative_slope,
        epilogue.bias.is_some(),
        dtype_to_storage_type(dtype),
    );
    total
}
