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
    implicit_gemm,
    layout::{channels_first, column_parts, contiguous, dims, pixel_rows, product, transposed},
    leaky_relu,
    local_response_norm::{self, ResponseNorm},
    resize, state,
    sum::{Epilogue, sum},
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
#[backend_extension(Cube, Fusion)]
pub(super) trait Kernels: Backend {
    /// Weights `[small, large, kernel, kernel]` as a matrix `[small, kernel^2 large]` of the type that
    /// products are computed in.
    #[fusion(meta = |weight, dtype| matrix_spec(weight, *dtype))]
    fn weight_matrix(weight: FloatTensor<Self>, dtype: DType) -> FloatTensor<Self>;

    /// The small map from the large one: a convolution and `max(x, negative_slope x)`, or the gradient of a
    /// transposed convolution's input. `dtype` is the result's.
    #[fusion(meta = |large, matrix, geometry, _slope, dtype| small_spec(large, matrix, *geometry, *dtype))]
    fn small_map(
        large: FloatTensor<Self>,
        matrix: FloatTensor<Self>,
        geometry: ConvGeometry,
        slope: f32,
        dtype: DType,
    ) -> FloatTensor<Self>;

    /// The same with a bias, in 32 bits.
    #[fusion(meta = |large, matrix, _bias, geometry, _slope| small_spec(large, matrix, *geometry, DType::F32))]
    fn small_map_with_bias(
        large: FloatTensor<Self>,
        matrix: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: ConvGeometry,
        slope: f32,
    ) -> FloatTensor<Self>;

    /// The large map of batch, height and width `extents` from the small one: a transposed convolution and
    /// `max(x, negative_slope x)`, or the gradient of a convolution's input.
    /// `dtype` is the result's.
    #[fusion(meta = |_small, matrix, geometry, extents, _slope, dtype| large_spec(matrix, *geometry, *extents, *dtype))]
    fn large_map(
        small: FloatTensor<Self>,
        matrix: FloatTensor<Self>,
        geometry: ConvGeometry,
        extents: [usize; 3],
        slope: f32,
        dtype: DType,
    ) -> FloatTensor<Self>;

    /// The same with a bias, in 32 bits.
    #[fusion(meta = |_small, matrix, _bias, geometry, extents, _slope| large_spec(matrix, *geometry, *extents, DType::F32))]
    fn large_map_with_bias(
        small: FloatTensor<Self>,
        matrix: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: ConvGeometry,
        extents: [usize; 3],
        slope: f32,
    ) -> FloatTensor<Self>;

    /// The gradient of the weights of either, its products computed in the type `compute`.
    #[fusion(meta = |large, small, geometry, _compute| weights_spec(large, small, *geometry))]
    fn weight_gradient(
        large: FloatTensor<Self>,
        small: FloatTensor<Self>,
        geometry: ConvGeometry,
        compute: DType,
    ) -> FloatTensor<Self>;

    /// The gradient of a convolution's weights from the activation's result and its gradient.
    #[fusion(meta = |large, small, _y, geometry, _compute, _slope| weights_spec(large, small, *geometry))]
    fn activated_weight_gradient(
        large: FloatTensor<Self>,
        small: FloatTensor<Self>,
        y: FloatTensor<Self>,
        geometry: ConvGeometry,
        compute: DType,
        slope: f32,
    ) -> FloatTensor<Self>;

    /// Products of matrices `[batch, m, k]` and `[batch, k, n]`.
    #[fusion(meta = |a, b| product_spec(a, b))]
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `(1 - m) x + m color` for images `[batch, 3, height, width]` and masks `[batch, 1, height, width]`.
    #[fusion(meta = |images, _masks, _color| images.clone())]
    fn apply_mask(images: FloatTensor<Self>, masks: FloatTensor<Self>, color: [f32; 3]) -> FloatTensor<Self>;

    /// `max(x, negative_slope x)`.
    #[fusion(meta = |x, _slope| x.clone())]
    fn leaky_relu(x: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    /// The gradient of `x` from the result and its gradient.
    #[fusion(meta = |y, _dy, _slope| y.clone())]
    fn leaky_relu_backward(y: FloatTensor<Self>, dy: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

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

    /// The result, and the bases of the powers that it was divided by.
    #[fusion(meta = |x, _norm| (x.clone(), rows_spec(x)))]
    fn local_response_norm(
        x: FloatTensor<Self>,
        norm: ResponseNorm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of `x`.
    #[fusion(meta = |x, _bases, _dy, _norm| x.clone())]
    fn local_response_norm_backward(
        x: FloatTensor<Self>,
        bases: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        norm: ResponseNorm,
    ) -> FloatTensor<Self>;

    /// Bilinear interpolation to squares of `side`.
    #[fusion(meta = |x, side| resized_spec(x, [*side; 2]))]
    fn resize(x: FloatTensor<Self>, side: usize) -> FloatTensor<Self>;

    /// The gradient of an input of this height and width.
    #[fusion(meta = |dy, extents| resized_spec(dy, *extents))]
    fn resize_backward(dy: FloatTensor<Self>, extents: [usize; 2]) -> FloatTensor<Self>;

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

fn matrix_spec(weight: &TensorSpec, dtype: DType) -> TensorSpec {
    let width = weight.shape[1] * weight.shape[2] * weight.shape[3];
    TensorSpec::new(Shape::new([weight.shape[0], width]), dtype)
}

fn small_spec(large: &TensorSpec, matrix: &TensorSpec, geometry: ConvGeometry, dtype: DType) -> TensorSpec {
    let [high, wide] = [2, 3].map(|axis| geometry.output_size(large.shape[axis]));
    TensorSpec::new(Shape::new([large.shape[0], matrix.shape[0], high, wide]), dtype)
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

fn weights_spec(large: &TensorSpec, small: &TensorSpec, geometry: ConvGeometry) -> TensorSpec {
    let kernel = geometry.kernel;
    TensorSpec::new(Shape::new([small.shape[1], large.shape[1], kernel, kernel]), DType::F32)
}

fn product_spec(a: &TensorSpec, b: &TensorSpec) -> TensorSpec {
    TensorSpec::new(Shape::new([a.shape[0], a.shape[1], b.shape[2]]), DType::F32)
}

fn statistics(x: &TensorSpec, norm: Normalization) -> TensorSpec {
    TensorSpec::new(Shape::new([norm.ghost_batches, x.shape[1]]), DType::F32)
}

fn rows_spec(x: &TensorSpec) -> TensorSpec {
    TensorSpec::new(Shape::new([x.shape[0] * x.shape[2] * x.shape[3], x.shape[1]]), DType::F32)
}

fn resized_spec(x: &TensorSpec, [height, width]: [usize; 2]) -> TensorSpec {
    TensorSpec::new(Shape::new([x.shape[0], x.shape[1], height, width]), DType::F32)
}

impl Kernels for CubeBackend {
    fn weight_matrix(weight: CubeTensor, dtype: DType) -> CubeTensor {
        match dims(&weight) {
            [small, large, 1, 1] => {
                cast(contiguous(into_contiguous(weight), Shape::new([small, large])), dtype)
            }
            _ => weight_matrix(weight, dtype),
        }
    }

    fn small_map(
        large: CubeTensor,
        matrix: CubeTensor,
        geometry: ConvGeometry,
        slope: f32,
        dtype: DType,
    ) -> CubeTensor {
        small_map(large, matrix, geometry, &Epilogue::new(None, slope), dtype)
    }

    fn small_map_with_bias(
        large: CubeTensor,
        matrix: CubeTensor,
        bias: CubeTensor,
        geometry: ConvGeometry,
        slope: f32,
    ) -> CubeTensor {
        small_map(large, matrix, geometry, &Epilogue::new(Some(bias), slope), DType::F32)
    }

    fn large_map(
        small: CubeTensor,
        matrix: CubeTensor,
        geometry: ConvGeometry,
        extents: [usize; 3],
        slope: f32,
        dtype: DType,
    ) -> CubeTensor {
        large_map(small, matrix, geometry, extents, &Epilogue::new(None, slope), dtype)
    }

    fn large_map_with_bias(
        small: CubeTensor,
        matrix: CubeTensor,
        bias: CubeTensor,
        geometry: ConvGeometry,
        extents: [usize; 3],
        slope: f32,
    ) -> CubeTensor {
        large_map(small, matrix, geometry, extents, &Epilogue::new(Some(bias), slope), DType::F32)
    }

    fn weight_gradient(
        large: CubeTensor,
        small: CubeTensor,
        geometry: ConvGeometry,
        compute: DType,
    ) -> CubeTensor {
        let weight_dims = weight_dims(&large, &small, geometry);
        let parts = implicit_gemm::weight_gradient_parts(&large, &small, None, geometry, compute);
        let parts = parts.unwrap_or_else(|| {
            let (columns, rows) = (columns(large, geometry, compute), cast(pixel_rows(small), compute));
            let ([positions, width], [_, small]) = (dims(&columns), dims(&rows));
            // Positions are many and weights few, so the sum over positions is computed in parts.
            let parts = parts_of(positions, small, width);
            let in_parts =
                |matrix, columns| contiguous(matrix, Shape::new([parts, positions / parts, columns]));
            let rows = transposed(in_parts(rows, small));
            product(rows, in_parts(columns, width), [parts, small, width], DType::F32)
        });
        weight_gradient(parts, weight_dims, DType::F32)
    }

    fn activated_weight_gradient(
        large: CubeTensor,
        small: CubeTensor,
        y: CubeTensor,
        geometry: ConvGeometry,
        compute: DType,
        slope: f32,
    ) -> CubeTensor {
        let activated = Some((&y, slope));
        match implicit_gemm::weight_gradient_parts(&large, &small, activated, geometry, compute) {
            Some(parts) => weight_gradient(parts, weight_dims(&large, &small, geometry), DType::F32),
            None => {
                let small = <Self as Kernels>::leaky_relu_backward(y, small, slope);
                <Self as Kernels>::weight_gradient(large, small, geometry, compute)
            }
        }
    }

    fn product(a: CubeTensor, b: CubeTensor) -> CubeTensor {
        let ([batch, rows, _], [_, _, columns]) = (dims(&a), dims(&b));
        product(a, b, [batch, rows, columns], DType::F32)
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

    fn local_response_norm(x: CubeTensor, norm: ResponseNorm) -> (CubeTensor, CubeTensor) {
        let [batch, channels, height, width] = dims(&x);
        let [y, bases] = local_response_norm::forward(pixel_rows(x), norm);
        (pixels(y, [batch, height, width, channels]), bases)
    }

    fn local_response_norm_backward(
        x: CubeTensor,
        bases: CubeTensor,
        dy: CubeTensor,
        norm: ResponseNorm,
    ) -> CubeTensor {
        let [batch, channels, height, width] = dims(&x);
        let dx = local_response_norm::backward([pixel_rows(x), bases, pixel_rows(dy)], norm);
        pixels(dx, [batch, height, width, channels])
    }

    fn resize(x: CubeTensor, side: usize) -> CubeTensor {
        resize::forward(x, side)
    }

    fn resize_backward(dy: CubeTensor, extents: [usize; 2]) -> CubeTensor {
        resize::backward(dy, extents)
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

fn small_map(
    large: CubeTensor,
    matrix: CubeTensor,
    geometry: ConvGeometry,
    epilogue: &Epilogue,
    dtype: DType,
) -> CubeTensor {
    if let Some(map) = implicit_gemm::small_map(&large, &matrix, geometry, epilogue, dtype) {
        return map;
    }
    let ([batch, _, height, width], [small, depth]) = (dims(&large), dims(&matrix));
    let [high, wide] = [height, width].map(|side| geometry.output_size(side));
    let positions = batch * high * wide;
    let columns = columns(large, geometry, matrix.dtype);
    // Of few positions and channels, sums over many values are computed in parts.
    let parts = parts_of(depth, positions, small);
    let [columns, matrix] = [columns, matrix].map(|matrix| column_parts(matrix, parts));
    let rows = product(columns, transposed(matrix), [parts, positions, small], DType::F32);
    pixels(sum(rows, epilogue, dtype), [batch, high, wide, small])
}

fn large_map(
    small: CubeTensor,
    matrix: CubeTensor,
    geometry: ConvGeometry,
    [batch, height, width]: [usize; 3],
    epilogue: &Epilogue,
    dtype: DType,
) -> CubeTensor {
    let extents = [batch, height, width];
    if let Some(map) = implicit_gemm::large_map(&small, &matrix, geometry, extents, epilogue, dtype) {
        return map;
    }
    let compute = matrix.dtype;
    let rows = cast(pixel_rows(small), compute);
    let ([positions, _], [_, columns]) = (dims(&rows), dims(&matrix));
    let channels = columns / (geometry.kernel * geometry.kernel);
    let columns = product(rows, matrix, [positions, columns], compute);
    let map = fold(columns, geometry, [batch, channels, height, width], DType::F32);
    let pixels_of_map = contiguous(pixel_rows(map), [1, batch * height * width, channels].into());
    pixels(sum(pixels_of_map, epilogue, dtype), [batch, height, width, channels])
}

/// Of weights that both maps belong to.
fn weight_dims(large: &CubeTensor, small: &CubeTensor, geometry: ConvGeometry) -> [usize; 4] {
    let [small, large] = [small, large].map(|map| dims::<4>(map)[1]);
    [small, large, geometry.kernel, geometry.kernel]
}

/// The large map `[batch, large, height, width]` as columns `[positions, kernel^2 large]`.
fn columns(large: CubeTensor, geometry: ConvGeometry, dtype: DType) -> CubeTensor {
    match geometry {
        ConvGeometry { kernel: 1, stride: 1, padding: 0 } => cast(pixel_rows(large), dtype),
        _ => unfold(large, geometry, dtype),
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
