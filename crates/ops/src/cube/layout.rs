//! Graphics tensors as matrices, and new ones.

use burn::{
    backend::cubecl::dtype_to_storage_type,
    tensor::{DType, Shape},
};
use burn_cubecl::{
    kernel::{into_contiguous, matmul},
    ops::numeric::empty_device_contiguous_dtype,
    tensor::CubeTensor,
};
use burn_std::Metadata;
use cubecl::{prelude::*, tensor_vector_size_parallel};
use cubek::{
    matmul::{
        definition::{MatmulElems, MatmulGlobalElems, MatmulSetupError},
        launch::launch_ref,
        multi_level,
        strategy::Strategy,
    },
    std::InputBinding,
};

/// Values that a unit reads at once, at most.
const WIDEST_VECTOR: usize = 4;

/// Values that a unit that adds up asks for before it waits for the first: they are read without a condition
/// (the last again, where there are fewer), which would make each wait for the one before.
pub(super) const AT_ONCE: usize = 8;

/// A contiguous tensor, not yet written, on the device of another.
///
/// # Panics
/// When it has more values than the kernels count.
pub(super) fn empty<const D: usize>(like: &CubeTensor, dims: [usize; D], dtype: DType) -> CubeTensor {
    let values = dims.iter().fold(1, |product: usize, &extent| product.saturating_mul(extent));
    assert!(
        u32::try_from(values).is_ok(),
        "a layer needs a matrix of {dims:?}, more than 2^32 values; take a smaller batch"
    );
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::new(dims), dtype)
}

/// `[batch, channels, height, width]` as `[batch, height, width, channels]`; nothing moves.
pub(super) fn channels_last(mut map: CubeTensor) -> CubeTensor {
    let ([n, c, h, w], [sn, sc, sh, sw]) = (dims(&map), strides(&map));
    *map.meta = Metadata::new([n, h, w, c], [sn, sh, sw, sc]);
    map
}

/// `[batch, height, width, channels]` as `[batch, channels, height, width]`; nothing moves.
pub(super) fn channels_first(mut map: CubeTensor) -> CubeTensor {
    let [n, h, w, c] = dims(&map);
    // A single channel gets the stride of its place (`canonical_strides` in conv.rs says why).
    let stride = if c == 1 { h * w } else { 1 };
    *map.meta = Metadata::new([n, c, h, w], [h * w * c, stride, w * c, c]);
    map
}

/// `[batch, channels, height, width]` as a matrix with a row of channels for each pixel; moves only what is
/// not channels last.
pub(super) fn pixel_rows(map: CubeTensor) -> CubeTensor {
    let map = into_contiguous(channels_last(map));
    let [n, h, w, c] = dims(&map);
    contiguous(map, Shape::new([n * h * w, c]))
}

/// Another shape of a contiguous tensor.
///
/// # Panics
/// When the tensor is not contiguous.
pub(super) fn contiguous(tensor: CubeTensor, shape: Shape) -> CubeTensor {
    assert!(tensor.is_contiguous(), "the rows of {tensor:?} are padded or permuted");
    CubeTensor::new_contiguous(tensor.client, tensor.device, shape, tensor.handle, tensor.dtype)
}

/// The last two axes exchanged; nothing moves.
pub(super) fn transposed(mut matrix: CubeTensor) -> CubeTensor {
    let last = matrix.meta.num_dims() - 1;
    matrix.meta.swap(last - 1, last);
    matrix
}

/// The columns of a matrix in equal parts, `[parts, rows, columns / parts]`; nothing moves.
pub(super) fn column_parts(mut matrix: CubeTensor, parts: usize) -> CubeTensor {
    let ([rows, columns], [row_stride, stride]) = (dims(&matrix), strides(&matrix));
    let width = columns / parts;
    *matrix.meta = Metadata::new([parts, rows, width], [width * stride, row_stride, stride]);
    matrix
}

/// A product of matrices, in Burn's kernels.
///
/// # Panics
/// When the device has no kernel for it, as Burn's own products do.
pub(super) fn product<const D: usize>(
    a: CubeTensor,
    b: CubeTensor,
    dims: [usize; D],
    dtype: DType,
) -> CubeTensor {
    let out = empty(&a, dims, dtype);
    if crate::dispatch::is_ieee() && a.dtype == DType::F32 {
        return ieee_product(a, b, out);
    }
    matmul::matmul(a, b, Some(out), matmul::MatmulStrategy::default(), dtype)
        .expect("this device multiplies matrices of these types")
}

/// The same of factors of 32 bits by kernels that use no tensor cores: Burn's choice among all kernels is by
/// time.
///
/// # Panics
/// As `product`.
fn ieee_product(a: CubeTensor, b: CubeTensor, out: CubeTensor) -> CubeTensor {
    // What does not fit a device's shared memory or units is left to the simplest kernel, which always does.
    let tiled = launch_product(multi_level::Strategy::SimpleUnit(Default::default()), &a, &b, &out);
    tiled
        .or_else(|_| launch_product(multi_level::Strategy::Naive, &a, &b, &out))
        .expect("this device multiplies matrices of 32 bits");
    out
}

fn launch_product(
    strategy: multi_level::Strategy,
    a: &CubeTensor,
    b: &CubeTensor,
    out: &CubeTensor,
) -> Result<(), MatmulSetupError> {
    let [a_type, b_type, out_type] = [a, b, out].map(|tensor| dtype_to_storage_type(tensor.dtype));
    let types = MatmulGlobalElems { lhs: a_type, rhs: b_type, out: out_type };
    launch_ref(
        &Strategy::MultiLevel(strategy),
        &out.client,
        InputBinding::new(a.clone().binding(), a_type),
        InputBinding::new(b.clone().binding(), b_type),
        out.clone().binding(),
        &mut MatmulElems::from_globals(&types),
    )
}

/// The widest vector along the last axis that all of these can be read by.
pub(super) fn vector_size(tensors: &[&CubeTensor]) -> VectorSize {
    let widest = |tensor: &&CubeTensor| {
        let sizes = tensor.client.io_optimized_vector_sizes(tensor.dtype.size());
        let sizes = sizes.filter(|&size| size <= WIDEST_VECTOR);
        let meta = &tensor.meta;
        tensor_vector_size_parallel(sizes, meta.shape(), meta.strides(), meta.num_dims() - 1)
    };
    tensors.iter().map(widest).min().unwrap_or(1)
}

/// Units for so many items: how they are grouped.
pub(super) fn one_unit_each(like: &CubeTensor, items: usize) -> (CubeCount, CubeDim) {
    let cube_dim = CubeDim::new(&like.client, items);
    (cubecl::calculate_cube_count_elemwise(&like.client, items, cube_dim), cube_dim)
}

pub(super) fn dims<const D: usize>(tensor: &CubeTensor) -> [usize; D] {
    std::array::from_fn(|axis| tensor.meta.shape()[axis])
}

fn strides<const D: usize>(tensor: &CubeTensor) -> [usize; D] {
    std::array::from_fn(|axis| tensor.meta.strides()[axis])
}
