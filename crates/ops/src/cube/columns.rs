//! A large map as the matrix of a convolution, and back.
//!
//! Columns are a matrix with a row for each position of the small map, image by image and line by line. A row
//! holds what the kernel covers there, line by line, the channels of a pixel side by side; zero in the
//! padding.

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::tensor::CubeTensor;
use cubecl::{prelude::*, std::FastDivmod};

use super::layout::{channels_first, channels_last, dims, empty, one_unit_each, vector_size};
use crate::ConvGeometry;

/// One unit writes one line of a kernel for one vector of channels.
#[cube(launch)]
fn unfold_kernel<I: Numeric, O: Numeric, N: Size>(
    image: &Tensor<Vector<I, N>>,
    columns: &mut Tensor<Vector<O, N>>,
    extents: Sequence<FastDivmod<usize>>,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
    #[comptime] padding: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let vector_size = image.vector_size();
    let (rest, vector) = extents.index(3).div_mod(ABSOLUTE_POS);
    let (row, line) = extents.index(2).div_mod(rest);
    let (rest, column) = extents.index(1).div_mod(row);
    let (batch, top) = extents.index(0).div_mod(rest);
    if batch >= image.shape(0) {
        terminate!();
    }

    let channels = image.shape(3);
    let channel = vector * vector_size;
    // Shifted by the padding, which unsigned numbers cannot fall below.
    let y = top * stride + line;
    let line_is_inside = y >= padding && y < image.shape(1) + padding;
    let from = batch * image.stride(0) + channel * image.stride(3);
    let to = (row * kernel + line) * kernel * channels + channel;

    #[unroll]
    for tap in 0..kernel {
        let x = column * stride + tap;
        let mut value = Vector::<I, N>::cast_from(0u32);
        if line_is_inside && x >= padding && x < image.shape(2) + padding {
            let at = from + (y - padding) * image.stride(1) + (x - padding) * image.stride(2);
            value = image[at / vector_size];
        }
        columns[(to + tap * channels) / vector_size] = Vector::cast_from(value);
    }
}

/// One unit adds up what falls on one vector of channels of one pixel.
#[cube(launch)]
fn fold_kernel<I: Numeric, O: Numeric, N: Size>(
    columns: &Tensor<Vector<I, N>>,
    image: &mut Tensor<Vector<O, N>>,
    extents: Sequence<FastDivmod<usize>>,
    rows_high: usize,
    rows_wide: usize,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
    #[comptime] padding: usize,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let vector_size = columns.vector_size();
    let (rest, vector) = extents.index(2).div_mod(ABSOLUTE_POS);
    let (rest, x) = extents.index(1).div_mod(rest);
    let (batch, y) = extents.index(0).div_mod(rest);
    if batch >= image.shape(0) {
        terminate!();
    }

    let channels = image.shape(3);
    let channel = vector * vector_size;
    let (y, x) = (y + padding, x + padding);
    let (bottom, right) = (y / stride, x / stride); // the last kernel that covers the pixel
    let (line, tap) = (y % stride, x % stride); // which of its values that is
    let overlapping = comptime!(kernel.div_ceil(stride));

    let mut sum = Vector::<f32, N>::cast_from(0u32);
    #[unroll]
    for up in 0..overlapping {
        let line = line + up * stride;
        let line_is_inside = line < kernel && bottom >= up && bottom - up < rows_high;
        #[unroll]
        for left in 0..overlapping {
            let tap = tap + left * stride;
            if line_is_inside && tap < kernel && right >= left && right - left < rows_wide {
                let row = (batch * rows_high + bottom - up) * rows_wide + right - left;
                let at = ((row * kernel + line) * kernel + tap) * channels + channel;
                sum += Vector::cast_from(columns[at / vector_size]);
            }
        }
    }
    image[ABSOLUTE_POS] = Vector::cast_from(sum);
}

/// The columns `[positions, kernel^2 channels]` of a map `[batch, channels, height, width]`.
pub(super) fn unfold(map: CubeTensor, geometry: ConvGeometry, dtype: DType) -> CubeTensor {
    let ConvGeometry { kernel, stride, padding } = geometry;
    let image = channels_last(map);
    let [batch, height, width, channels] = dims(&image);
    let [high, wide] = [height, width].map(|side| geometry.output_size(side));
    let columns = empty(&image, [batch * high * wide, kernel * kernel * channels], dtype);
    let vector_size = vector_size(&[&image]);
    let mut extents = SequenceArg::new();
    for extent in [high, wide, kernel, channels / vector_size] {
        extents.push(extent);
    }
    let (cube_count, cube_dim) =
        one_unit_each(&image, batch * high * wide * kernel * (channels / vector_size));
    let dtypes = [image.dtype, dtype].map(dtype_to_storage_type);
    unfold_kernel::launch(
        &image.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        image.into_tensor_arg(),
        columns.clone().into_tensor_arg(),
        extents,
        kernel,
        stride,
        padding,
        dtypes,
    );
    columns
}

/// The map `[batch, channels, height, width]` whose pixels are the sums of their values in the columns.
pub(super) fn fold(
    columns: CubeTensor,
    geometry: ConvGeometry,
    [batch, channels, height, width]: [usize; 4],
    dtype: DType,
) -> CubeTensor {
    let ConvGeometry { kernel, stride, padding } = geometry;
    let image = empty(&columns, [batch, height, width, channels], dtype);
    let vector_size = vector_size(&[&image]);
    let mut extents = SequenceArg::new();
    for extent in [height, width, channels / vector_size] {
        extents.push(extent);
    }
    let (cube_count, cube_dim) = one_unit_each(&columns, batch * height * width * (channels / vector_size));
    let dtypes = [columns.dtype, dtype].map(dtype_to_storage_type);
    fold_kernel::launch(
        &columns.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        columns.into_tensor_arg(),
        image.clone().into_tensor_arg(),
        extents,
        geometry.output_size(height),
        geometry.output_size(width),
        kernel,
        stride,
        padding,
        dtypes,
    );
    channels_first(image)
}
