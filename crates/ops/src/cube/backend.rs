//! The kernels as operations of Burn's backends: `#[backend_extension]` has Burn's fusion record them like
//! its own.

use burn::{
    backend::{Backend, backend_extension, fusion::custom::TensorSpec, tensor::FloatTensor},
    tensor::{DType, Shape},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};

use super::{
    adam,
    apply_mask::apply_mask,
    batch_norm::{self, Normalization},
    columns::{fold, unfold},
    layout::{channels_first, column_parts, contiguous, dims, pixel_rows, product, transposed},
    leaky_relu, state,
    sum::sum,
    weight_matrix::{weight_gradient, weight_matrix},
};
use crate::layer::{AdamConstants, ConvGeometry};

/// Terms of a part of the sums that a product is, at least.
const TERMS_OF_PART: usize = 256;

/// Parts of such sums, at most.
const PARTS: usize = 128;

/// Blocks of products that fill a large card.
const BLOCKS: usize = 512;

/// Side of a block of products.
const BLOCK_SIDE: usize = 64;

/// Between a large and a small map, as a convolution or a transposed convolution has them; and what follows
/// such a layer.
///
/// Matrices have the type that products are computed in, maps that of the network.
#[backend_extension(Cube, Fusion)]
pub(super) trait Kernels: Backend {
    /// The large map `[batch, large, height, width]` as columns `[positions, kernel^2 large]`.
    #[fusion(meta = |large, geometry, dtype| columns_spec(large, *geometry, *dtype))]
    fn columns(large: FloatTensor<Self>, geometry: ConvGeometry, dtype: DType) -> FloatTensor<Self>;

    /// A map `[batch, channels, height, width]` as a matrix `[pixels, channels]`.
    #[fusion(meta = |map, dtype| rows_spec(map, *dtype))]
    fn rows(map: FloatTensor<Self>, dtype: DType) -> FloatTensor<Self>;

    /// Weights `[small, large, kernel, kernel]` as a matrix `[small, kernel^2 large]`.
    #[fusion(meta = |weight, dtype| matrix_spec(weight, *dtype))]
    fn weight_matrix(weight: FloatTensor<Self>, dtype: DType) -> FloatTensor<Self>;

    /// The small map of batch, height and width `extents`: a convolution, or the gradient of a transposed
    /// convolution's input.
    #[fusion(meta = |_columns, matrix, extents, dtype| small_spec(matrix, *extents, *dtype))]
    fn small_map(
        columns: FloatTensor<Self>,
        matrix: FloatTensor<Self>,
        extents: [usize; 3],
        dtype: DType,
    ) -> FloatTensor<Self>;

    /// The large map of batch, height and width `extents`: a transposed convolution, or the gradient of a
    /// convolution's input.
    #[fusion(meta = |_rows, matrix, geometry, extents, dtype| large_spec(matrix, *geometry, *extents, *dtype))]
    fn large_map(
        rows: FloatTensor<Self>,
        matrix: FloatTensor<Self>,
        geometry: ConvGeometry,
        extents: [usize; 3],
        dtype: DType,
    ) -> FloatTensor<Self>;

    /// The gradient of the weights of either, from the large map's columns and the small map's rows.
    #[fusion(meta = |columns, rows, geometry| weights_spec(columns, rows, *geometry))]
    fn weight_gradient(
        columns: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self>;

    /// `(1 - m) x + m color` for images `[batch, 3, height, width]` and masks `[batch, 1, height, width]`.
    #[fusion(meta = |images, _masks, _color| images.clone())]
    fn apply_mask(images: FloatTensor<Self>, masks: FloatTensor<Self>, color: [f32; 3]) -> FloatTensor<Self>;

    /// `max(x, negative_slope x)`.
    #[fusion(meta = |x, _slope| x.clone())]
    fn leaky_relu(x: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    /// The gradient of `x` from the result and its gradient.
    #[fusion(meta = |y, _dy, _slope| y.clone())]
    fn leaky_relu_backward(y: FloatTensor<Self>, dy: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    /// `max(x + bias, negative_slope (x + bias))`, the bias one number for each channel.
    #[fusion(meta = |x, _bias, _slope| x.clone())]
    fn bias_activation(x: FloatTensor<Self>, bias: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    /// The result, and mean and variance `[ghost batches, channels]`.
    #[fusion(meta = |x, _gamma, _beta, norm| (x.clone(), statistics(x, *norm), statistics(x, *norm)))]
    fn batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: Normalization,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of `x`, `gamma` and `beta`.
    #[fusion(meta = |x, _dy, gamma, beta, _mean, _variance, _norm| (x.clone(), gamma.clone(), beta.clone()))]
    fn batch_norm_backward(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        norm: Normalization,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Weights and both moments after a step.
    #[fusion(meta = |weights, _gradient, first, second, _constants| (weights.clone(), first.clone(), second.clone()))]
    fn adam_step(
        weights: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        constants: AdamConstants,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The same with what changes from step to step, the learning rate and epsilon times their corrections,
    /// in `rates`; all three tensors are written where they are.
    #[fusion(meta = |weights, _gradient, first, second, _rates, _betas| (weights.clone(), first.clone(), second.clone()))]
    fn recorded_adam_step(
        weights: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        rates: FloatTensor<Self>,
        betas: [f32; 2],
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `(1 - weight) target + weight value`, written where `target` is if nobody else holds it, or if
    /// `in_place` says so.
    #[fusion(meta = |target, _value, _weight, _in_place| target.clone())]
    fn blend(
        target: FloatTensor<Self>,
        value: FloatTensor<Self>,
        weight: f64,
        in_place: bool,
    ) -> FloatTensor<Self>;

    /// A copy in memory of its own, row by row without padding.
    #[fusion(meta = |value| value.clone())]
    fn copy(value: FloatTensor<Self>) -> FloatTensor<Self>;
}

fn columns_spec(large: &TensorSpec, geometry: ConvGeometry, dtype: DType) -> TensorSpec {
    let [high, wide] = [2, 3].map(|axis| geometry.output_size(large.shape[axis]));
    let width = geometry.kernel * geometry.kernel * large.shape[1];
    TensorSpec::new(Shape::new([large.shape[0] * high * wide, width]), dtype)
}

fn rows_spec(map: &TensorSpec, dtype: DType) -> TensorSpec {
    let pixels = map.shape[0] * map.shape[2] * map.shape[3];
    TensorSpec::new(Shape::new([pixels, map.shape[1]]), dtype)
}

fn matrix_spec(weight: &TensorSpec, dtype: DType) -> TensorSpec {
    let width = weight.shape[1] * weight.shape[2] * weight.shape[3];
    TensorSpec::new(Shape::new([weight.shape[0], width]), dtype)
}

fn small_spec(matrix: &TensorSpec, [batch, high, wide]: [usize; 3], dtype: DType) -> TensorSpec {
    TensorSpec::new(Shape::new([batch, matrix.shape[0], high, wide]), dtype)
}

fn large_spec(
    matrix: &TensorSpec,
    geometry: ConvGeometry,
    [batch, height, width]: [usize; 3],
    dtype: DType,
) -> TensorSpec {
    let channels = matrix.shape[1] / (geometry.kernel * geometry.kernel);
    TensorSpec::new(Shape::new([batch, channels, height, width]), dtype)
}

fn weights_spec(columns: &TensorSpec, rows: &TensorSpec, geometry: ConvGeometry) -> TensorSpec {
    let kernel = geometry.kernel;
    let large = columns.shape[1] / (kernel * kernel);
    TensorSpec::new(Shape::new([rows.shape[1], large, kernel, kernel]), DType::F32)
}

fn statistics(x: &TensorSpec, norm: Normalization) -> TensorSpec {
    TensorSpec::new(Shape::new([norm.ghost_batches, x.shape[1]]), DType::F32)
}

impl Kernels for CubeBackend {
    fn columns(large: CubeTensor, geometry: ConvGeometry, dtype: DType) -> CubeTensor {
        match geometry {
            ConvGeometry { kernel: 1, stride: 1, padding: 0 } => Self::rows(large, dtype),
            _ => unfold(large, geometry, dtype),
        }
    }

    fn rows(map: CubeTensor, dtype: DType) -> CubeTensor {
        cast(pixel_rows(map), dtype)
    }

    fn weight_matrix(weight: CubeTensor, dtype: DType) -> CubeTensor {
        match dims(&weight) {
            [small, large, 1, 1] => {
                cast(contiguous(into_contiguous(weight), Shape::new([small, large])), dtype)
            }
            _ => weight_matrix(weight, dtype),
        }
    }

    fn small_map(
        columns: CubeTensor,
        matrix: CubeTensor,
        [batch, high, wide]: [usize; 3],
        dtype: DType,
    ) -> CubeTensor {
        let [small, width] = dims(&matrix);
        let positions = batch * high * wide;
        // Of few positions and channels, sums over many values are computed in parts.
        let parts = parts_of(width, positions, small);
        let rows = if parts == 1 {
            product(columns, transposed(matrix), [positions, small], dtype)
        } else {
            let [columns, matrix] = [columns, matrix].map(|matrix| column_parts(matrix, parts));
            sum(product(columns, transposed(matrix), [parts, positions, small], DType::F32), dtype)
        };
        pixels(rows, [batch, high, wide, small])
    }

    fn large_map(
        rows: CubeTensor,
        matrix: CubeTensor,
        geometry: ConvGeometry,
        [batch, height, width]: [usize; 3],
        dtype: DType,
    ) -> CubeTensor {
        let ([positions, _], [_, columns]) = (dims(&rows), dims(&matrix));
        let compute = rows.dtype;
        let channels = columns / (geometry.kernel * geometry.kernel);
        let columns = product(rows, matrix, [positions, columns], compute);
        fold(columns, geometry, [batch, channels, height, width], dtype)
    }

    fn weight_gradient(columns: CubeTensor, rows: CubeTensor, geometry: ConvGeometry) -> CubeTensor {
        let ([positions, width], [_, small]) = (dims(&columns), dims(&rows));
        let kernel = geometry.kernel;
        // Positions are many and weights few, so the sum over positions is computed in parts.
        let parts = parts_of(positions, small, width);
        let in_parts = |matrix, columns| contiguous(matrix, Shape::new([parts, positions / parts, columns]));
        let rows = transposed(in_parts(rows, small));
        let gradients = product(rows, in_parts(columns, width), [parts, small, width], DType::F32);
        let large = width / (kernel * kernel);
        weight_gradient(gradients, [small, large, kernel, kernel], DType::F32)
    }

    fn apply_mask(images: CubeTensor, masks: CubeTensor, color: [f32; 3]) -> CubeTensor {
        apply_mask(images, masks, color)
    }

    fn leaky_relu(x: CubeTensor, slope: f32) -> CubeTensor {
        let [batch, channels, height, width] = dims(&x);
        pixels(leaky_relu::forward(pixel_rows(x), slope), [batch, height, width, channels])
    }

    fn leaky_relu_backward(y: CubeTensor, dy: CubeTensor, slope: f32) -> CubeTensor {
        let [batch, channels, height, width] = dims(&y);
        let dx = leaky_relu::backward([y, dy].map(pixel_rows), slope);
        pixels(dx, [batch, height, width, channels])
    }

    fn bias_activation(x: CubeTensor, bias: CubeTensor, slope: f32) -> CubeTensor {
        let [batch, channels, height, width] = dims(&x);
        let y = leaky_relu::bias_activation(pixel_rows(x), into_contiguous(bias), slope);
        pixels(y, [batch, height, width, channels])
    }

    fn batch_norm(
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        norm: Normalization,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [batch, channels, height, width] = dims(&x);
        let affine = [gamma, beta].map(into_contiguous);
        let [y, mean, variance] = batch_norm::forward(pixel_rows(x), affine, norm);
        (pixels(y, [batch, height, width, channels]), mean, variance)
    }

    fn batch_norm_backward(
        x: CubeTensor,
        dy: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        mean: CubeTensor,
        variance: CubeTensor,
        norm: Normalization,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [batch, channels, height, width] = dims(&x);
        let (maps, affine) = ([x, dy].map(pixel_rows), [gamma, beta].map(into_contiguous));
        let [dx, d_gamma, d_beta] = batch_norm::backward(maps, affine, [mean, variance], norm);
        (pixels(dx, [batch, height, width, channels]), d_gamma, d_beta)
    }

    fn adam_step(
        weights: CubeTensor,
        gradient: CubeTensor,
        first: CubeTensor,
        second: CubeTensor,
        constants: AdamConstants,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [weights, first, second] = adam::step(weights, gradient, [first, second], constants);
        (weights, first, second)
    }

    fn recorded_adam_step(
        weights: CubeTensor,
        gradient: CubeTensor,
        first: CubeTensor,
        second: CubeTensor,
        rates: CubeTensor,
        betas: [f32; 2],
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [weights, first, second] = adam::recorded_step(weights, gradient, [first, second], rates, betas);
        (weights, first, second)
    }

    fn blend(target: CubeTensor, value: CubeTensor, weight: f64, in_place: bool) -> CubeTensor {
        state::blend(target, value, weight, in_place)
    }

    fn copy(value: CubeTensor) -> CubeTensor {
        state::copy(value)
    }
}

/// Equal parts of a sum of so many terms, so that the product `[rows, columns]` has enough blocks.
fn parts_of(terms: usize, rows: usize, columns: usize) -> usize {
    let blocks = rows.div_ceil(BLOCK_SIDE) * columns.div_ceil(BLOCK_SIDE);
    let wanted = (BLOCKS / blocks).clamp(1, (terms / TERMS_OF_PART).clamp(1, PARTS));
    (1..=wanted).rev().find(|&parts| terms.is_multiple_of(parts)).unwrap_or(1)
}

/// A contiguous tensor in another type, contiguous again: Burn pads the rows of what it casts on some
/// devices, but not a single row.
fn cast(tensor: CubeTensor, dtype: DType) -> CubeTensor {
    if tensor.dtype == dtype {
        return tensor;
    }
    let shape = tensor.meta.shape().clone();
    let line = contiguous(tensor, Shape::new([shape.num_elements()]));
    contiguous(burn_cubecl::kernel::cast(line, dtype), shape)
}

/// Rows of channels as a map `[batch, channels, height, width]`.
fn pixels(rows: CubeTensor, channels_last: [usize; 4]) -> CubeTensor {
    channels_first(contiguous(rows, Shape::new(channels_last)))
}
