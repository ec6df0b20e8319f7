//! Batch norm with its activation: statistics, result and gradients.
//!
//! Maps are matrices with a row of channels for each pixel, the ghost batches one after the other. What is
//! added up over pixels is added up in two launches: parts, each by the units of one cube, and their sum.

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout::{AT_ONCE, dims, empty, one_unit_each, vector_size};

/// Units of a cube that adds up, as many as any device has.
const UNITS: usize = 256;

/// Cubes that add up parts, if the map is that large: two for each multiprocessor of the largest cards.
const CUBES: usize = 264;

/// What the kernels know of batch norm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Normalization {
    pub(super) ghost_batches: usize,
    pub(super) epsilon: f32,
    /// The activation is `max(x, negative_slope x)`.
    pub(super) negative_slope: f32,
}

/// The sum of a value over the lines of a cube, for every lane; right in the units of the first line.
#[cube]
fn sum_over_lines<N: Size>(
    value: Vector<f32, N>,
    shared: &mut Shared<[Vector<f32, N>]>,
    #[comptime] lanes: usize,
    #[comptime] lines: usize,
) -> Vector<f32, N> {
    sync_cube();
    shared[UNIT_POS_Y as usize * lanes + UNIT_POS_X as usize] = value;
    sync_cube();
    let mut sum = Vector::<f32, N>::cast_from(0u32);
    if UNIT_POS_Y == 0 {
        #[unroll]
        for line in 0..lines {
            sum += shared[line * lanes + UNIT_POS_X as usize];
        }
    }
    sum
}

/// Sums of the differences from the ghost batch's first pixel, and of their squares: the pixel is near the
/// mean, so that nothing cancels where the mean is large.
#[cube(launch)]
fn statistics_parts_kernel<F: Numeric, N: Size>(
    x: &Tensor<Vector<F, N>>,
    parts: &mut Tensor<Vector<f32, N>>,
    rows: usize,
    rows_of_part: usize,
    #[comptime] lanes: usize,
    #[comptime] lines: usize,
    #[define(F)] _dtype: ElemType,
) {
    let vectors = x.shape(1) / x.vector_size();
    let vector = CUBE_POS_X as usize * lanes + UNIT_POS_X as usize;
    let part = CUBE_POS_Y as usize;
    let ghost = CUBE_POS_Z as usize;
    let first = ghost * rows;
    let mut shared = Shared::new_slice(lanes * lines);

    let mut sum = Vector::<f32, N>::cast_from(0u32);
    let mut squares = Vector::<f32, N>::cast_from(0u32);
    if vector < vectors {
        let pivot = Vector::<f32, N>::cast_from(x[first * vectors + vector]);
        let mut row = part * rows_of_part + UNIT_POS_Y as usize;
        let end = clamp_max((part + 1) * rows_of_part, rows);
        while row < end {
            let mut values = Array::<Vector<F, N>>::new(AT_ONCE);
            #[unroll]
            for i in 0..AT_ONCE {
                values[i] = x[(first + clamp_max(row + i * lines, end - 1)) * vectors + vector];
            }
            #[unroll]
            for i in 0..AT_ONCE {
                if row + i * lines < end {
                    let difference = Vector::<f32, N>::cast_from(values[i]) - pivot;
                    sum += difference;
                    squares += difference * difference;
                }
            }
            row += AT_ONCE * lines;
        }
    }
    let sum = sum_over_lines::<N>(sum, &mut shared, lanes, lines);
    let squares = sum_over_lines::<N>(squares, &mut shared, lanes, lines);
    if UNIT_POS_Y == 0 && vector < vectors {
        let to = (ghost * parts.shape(1) + part) * 2 * vectors + vector;
        parts[to] = sum;
        parts[to + vectors] = squares;
    }
}

/// What a line of a cube adds up of the two values that each part of a ghost batch has for a vector.
#[cube]
fn shares_of_parts<N: Size>(
    parts: &Tensor<Vector<f32, N>>,
    ghost: usize,
    vector: usize,
    vectors: usize,
    #[comptime] lines: usize,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let mut first = Vector::<f32, N>::cast_from(0u32);
    let mut second = Vector::<f32, N>::cast_from(0u32);
    if vector < vectors {
        let mut part = UNIT_POS_Y as usize;
        let count = parts.shape(1);
        while part < count {
            let mut firsts = Array::<Vector<f32, N>>::new(AT_ONCE);
            let mut seconds = Array::<Vector<f32, N>>::new(AT_ONCE);
            #[unroll]
            for i in 0..AT_ONCE {
                let from = (ghost * count + clamp_max(part + i * lines, count - 1)) * 2 * vectors + vector;
                firsts[i] = parts[from];
                seconds[i] = parts[from + vectors];
            }
            #[unroll]
            for i in 0..AT_ONCE {
                if part + i * lines < count {
                    first += firsts[i];
                    second += seconds[i];
                }
            }
            part += AT_ONCE * lines;
        }
    }
    (first, second)
}

#[cube(launch)]
fn statistics_kernel<F: Numeric, N: Size>(
    x: &Tensor<Vector<F, N>>,
    parts: &Tensor<Vector<f32, N>>,
    mean: &mut Tensor<Vector<f32, N>>,
    variance: &mut Tensor<Vector<f32, N>>,
    rows: usize,
    #[comptime] lanes: usize,
    #[comptime] lines: usize,
    #[define(F)] _dtype: ElemType,
) {
    let vectors = x.shape(1) / x.vector_size();
    let vector = CUBE_POS_X as usize * lanes + UNIT_POS_X as usize;
    let ghost = CUBE_POS_Y as usize;
    let mut shared = Shared::new_slice(lanes * lines);

    let (sum, squares) = shares_of_parts::<N>(parts, ghost, vector, vectors, lines);
    let sum = sum_over_lines::<N>(sum, &mut shared, lanes, lines);
    let squares = sum_over_lines::<N>(squares, &mut shared, lanes, lines);
    if UNIT_POS_Y == 0 && vector < vectors {
        let count = Vector::<f32, N>::cast_from(rows as u32);
        let pivot = Vector::<f32, N>::cast_from(x[ghost * rows * vectors + vector]);
        let difference = sum / count;
        mean[ghost * vectors + vector] = pivot + difference;
        // Rounding must not take it below zero.
        let zero = Vector::<f32, N>::cast_from(0u32);
        variance[ghost * vectors + vector] = max(squares / count - difference * difference, zero);
    }
}

/// `activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`; one unit computes one vector of a pixel.
#[cube(launch)]
fn normalize_kernel<F: Numeric, N: Size>(
    x: &Tensor<Vector<F, N>>,
    mean: &Tensor<Vector<f32, N>>,
    variance: &Tensor<Vector<f32, N>>,
    gamma: &Tensor<Vector<f32, N>>,
    beta: &Tensor<Vector<f32, N>>,
    y: &mut Tensor<Vector<F, N>>,
    rows: usize,
    epsilon: f32,
    negative_slope: f32,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= x.len() {
        terminate!();
    }
    let vectors = x.shape(1) / x.vector_size();
    let vector = ABSOLUTE_POS % vectors;
    let statistic = ABSOLUTE_POS / vectors / rows * vectors + vector;
    let value = Vector::<f32, N>::cast_from(x[ABSOLUTE_POS]) - mean[statistic];
    let value = value * precision::<N>(variance[statistic], epsilon) * gamma[vector] + beta[vector];
    let value = max(value, value * Vector::new(negative_slope));
    y[ABSOLUTE_POS] = Vector::cast_from(value);
}

/// One over the standard deviation.
#[cube]
fn precision<N: Size>(variance: Vector<f32, N>, epsilon: f32) -> Vector<f32, N> {
    Vector::new(1.0f32) / (variance + Vector::new(epsilon)).sqrt()
}

/// The normalized value, and the gradient that reaches it through the activation.
#[cube]
fn behind_activation<F: Numeric, N: Size>(
    x: Vector<F, N>,
    dy: Vector<F, N>,
    mean: Vector<f32, N>,
    precision: Vector<f32, N>,
    gamma: Vector<f32, N>,
    beta: Vector<f32, N>,
    negative_slope: f32,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let normalized = (Vector::<f32, N>::cast_from(x) - mean) * precision;
    let dy = Vector::<f32, N>::cast_from(dy);
    let value = normalized * gamma + beta;
    let positive = value.greater_than(&Vector::new(0.0f32));
    (normalized, select_many(positive, dy, dy * Vector::new(negative_slope)))
}

/// Sums of the gradients behind the activation, and of their products with the normalized values.
#[cube(launch)]
fn gradient_parts_kernel<F: Numeric, N: Size>(
    x: &Tensor<Vector<F, N>>,
    dy: &Tensor<Vector<F, N>>,
    mean: &Tensor<Vector<f32, N>>,
    variance: &Tensor<Vector<f32, N>>,
    gamma: &Tensor<Vector<f32, N>>,
    beta: &Tensor<Vector<f32, N>>,
    parts: &mut Tensor<Vector<f32, N>>,
    rows: usize,
    rows_of_part: usize,
    epsilon: f32,
    negative_slope: f32,
    #[comptime] lanes: usize,
    #[comptime] lines: usize,
    #[define(F)] _dtype: ElemType,
) {
    let vectors = x.shape(1) / x.vector_size();
    let vector = CUBE_POS_X as usize * lanes + UNIT_POS_X as usize;
    let part = CUBE_POS_Y as usize;
    let ghost = CUBE_POS_Z as usize;
    let mut shared = Shared::new_slice(lanes * lines);

    let mut sum = Vector::<f32, N>::cast_from(0u32);
    let mut products = Vector::<f32, N>::cast_from(0u32);
    if vector < vectors {
        let statistic = ghost * vectors + vector;
        let (mean, gamma, beta) = (mean[statistic], gamma[vector], beta[vector]);
        let precision = precision::<N>(variance[statistic], epsilon);
        let mut row = part * rows_of_part + UNIT_POS_Y as usize;
        let end = clamp_max((part + 1) * rows_of_part, rows);
        while row < end {
            let mut values = Array::<Vector<F, N>>::new(AT_ONCE);
            let mut gradients = Array::<Vector<F, N>>::new(AT_ONCE);
            #[unroll]
            for i in 0..AT_ONCE {
                let at = (ghost * rows + clamp_max(row + i * lines, end - 1)) * vectors + vector;
                values[i] = x[at];
                gradients[i] = dy[at];
            }
            #[unroll]
            for i in 0..AT_ONCE {
                if row + i * lines < end {
                    let (normalized, gradient) = behind_activation::<F, N>(
                        values[i],
                        gradients[i],
                        mean,
                        precision,
                        gamma,
                        beta,
                        negative_slope,
                    );
                    sum += gradient;
                    products += gradient * normalized;
                }
            }
            row += AT_ONCE * lines;
        }
    }
    let sum = sum_over_lines::<N>(sum, &mut shared, lanes, lines);
    let products = sum_over_lines::<N>(products, &mut shared, lanes, lines);
    if UNIT_POS_Y == 0 && vector < vectors {
        let to = (ghost * parts.shape(1) + part) * 2 * vectors + vector;
        parts[to] = sum;
        parts[to + vectors] = products;
    }
}

/// The sums of each ghost batch, which the gradient of `x` needs, and of all, which are the gradients of beta
/// and gamma.
#[cube(launch)]
fn gradient_sums_kernel<N: Size>(
    parts: &Tensor<Vector<f32, N>>,
    sums: &mut Tensor<Vector<f32, N>>,
    d_gamma: &mut Tensor<Vector<f32, N>>,
    d_beta: &mut Tensor<Vector<f32, N>>,
    #[comptime] lanes: usize,
    #[comptime] lines: usize,
) {
    let vectors = d_gamma.len();
    let vector = CUBE_POS_X as usize * lanes + UNIT_POS_X as usize;
    let mut shared = Shared::new_slice(lanes * lines);

    let mut all = Vector::<f32, N>::cast_from(0u32);
    let mut all_products = Vector::<f32, N>::cast_from(0u32);
    for ghost in 0..sums.shape(0) {
        let (sum, products) = shares_of_parts::<N>(parts, ghost, vector, vectors, lines);
        let sum = sum_over_lines::<N>(sum, &mut shared, lanes, lines);
        let products = sum_over_lines::<N>(products, &mut shared, lanes, lines);
        all += sum;
        all_products += products;
        if UNIT_POS_Y == 0 && vector < vectors {
            let to = ghost * 2 * vectors + vector;
            sums[to] = sum;
            sums[to + vectors] = products;
        }
    }
    if UNIT_POS_Y == 0 && vector < vectors {
        d_beta[vector] = all;
        d_gamma[vector] = all_products;
    }
}

/// `gamma / deviation (g - (sum(g) + normalized sum(g normalized)) / count)`.
#[cube(launch)]
fn input_gradient_kernel<F: Numeric, N: Size>(
    x: &Tensor<Vector<F, N>>,
    dy: &Tensor<Vector<F, N>>,
    mean: &Tensor<Vector<f32, N>>,
    variance: &Tensor<Vector<f32, N>>,
    gamma: &Tensor<Vector<f32, N>>,
    beta: &Tensor<Vector<f32, N>>,
    sums: &Tensor<Vector<f32, N>>,
    dx: &mut Tensor<Vector<F, N>>,
    rows: usize,
    epsilon: f32,
    negative_slope: f32,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= x.len() {
        terminate!();
    }
    let vectors = x.shape(1) / x.vector_size();
    let vector = ABSOLUTE_POS % vectors;
    let ghost = ABSOLUTE_POS / vectors / rows;
    let statistic = ghost * vectors + vector;
    let precision = precision::<N>(variance[statistic], epsilon);
    let (normalized, gradient) = behind_activation::<F, N>(
        x[ABSOLUTE_POS],
        dy[ABSOLUTE_POS],
        mean[statistic],
        precision,
        gamma[vector],
        beta[vector],
        negative_slope,
    );
    let from = ghost * 2 * vectors + vector;
    let common = (sums[from] + normalized * sums[from + vectors]) / Vector::cast_from(rows as u32);
    dx[ABSOLUTE_POS] = Vector::cast_from((gradient - common) * gamma[vector] * precision);
}

/// How the units that add up are grouped.
struct Plan {
    vector_size: VectorSize,
    /// Pixels of a ghost batch.
    rows: usize,
    /// Vectors of channels that a cube adds up side by side.
    lanes: usize,
    /// Pixels that a cube adds up side by side.
    lines: usize,
    /// Cubes side by side along channels.
    cubes: usize,
    /// Parts of a ghost batch.
    parts: usize,
    rows_of_part: usize,
}

impl Plan {
    fn new(x: &CubeTensor, ghost_batches: usize) -> Self {
        let [all_rows, channels] = dims(x);
        let vector_size = vector_size(&[x]);
        let (vectors, rows) = (channels / vector_size, all_rows / ghost_batches);
        let lanes = vectors.next_power_of_two().min(32);
        let (lines, cubes) = (UNITS / lanes, vectors.div_ceil(lanes));
        let parts = (CUBES / (cubes * ghost_batches)).clamp(1, rows.div_ceil(4 * lines).max(1));
        let rows_of_part = rows.div_ceil(parts);
        let parts = rows.div_ceil(rows_of_part);
        Self { vector_size, rows, lanes, lines, cubes, parts, rows_of_part }
    }

    fn cube_dim(&self) -> CubeDim {
        CubeDim::new_2d(self.lanes as u32, self.lines as u32)
    }

    fn cube_count(&self, y: usize, z: usize) -> CubeCount {
        CubeCount::Static(self.cubes as u32, y as u32, z as u32)
    }
}

/// The result for pixels `[rows, channels]`, and mean and variance `[ghost batches, channels]`.
pub(super) fn forward(x: CubeTensor, [gamma, beta]: [CubeTensor; 2], norm: Normalization) -> [CubeTensor; 3] {
    let [all_rows, channels] = dims(&x);
    let ghosts = norm.ghost_batches;
    let plan = Plan::new(&x, ghosts);
    let client = x.client.clone();
    let dtype = dtype_to_storage_type(x.dtype);
    let parts = empty(&x, [ghosts, plan.parts, 2, channels], DType::F32);
    let [mean, variance] = [(); 2].map(|()| empty(&x, [ghosts, channels], DType::F32));
    let y = empty(&x, [all_rows, channels], x.dtype);
    statistics_parts_kernel::launch(
        &client,
        plan.cube_count(plan.parts, ghosts),
        plan.cube_dim(),
        plan.vector_size,
        x.clone().into_tensor_arg(),
        parts.clone().into_tensor_arg(),
        plan.rows,
        plan.rows_of_part,
        plan.lanes,
        plan.lines,
        dtype,
    );
    statistics_kernel::launch(
        &client,
        plan.cube_count(ghosts, 1),
        plan.cube_dim(),
        plan.vector_size,
        x.clone().into_tensor_arg(),
        parts.into_tensor_arg(),
        mean.clone().into_tensor_arg(),
        variance.clone().into_tensor_arg(),
        plan.rows,
        plan.lanes,
        plan.lines,
        dtype,
    );
    let (cube_count, cube_dim) = one_unit_each(&x, all_rows * channels / plan.vector_size);
    normalize_kernel::launch(
        &client,
        cube_count,
        cube_dim,
        plan.vector_size,
        x.into_tensor_arg(),
        mean.clone().into_tensor_arg(),
        variance.clone().into_tensor_arg(),
        gamma.into_tensor_arg(),
        beta.into_tensor_arg(),
        y.clone().into_tensor_arg(),
        plan.rows,
        norm.epsilon,
        norm.negative_slope,
        dtype,
    );
    [y, mean, variance]
}

/// Gradients of `x`, `gamma` and `beta` from that of the result.
pub(super) fn backward(
    [x, dy]: [CubeTensor; 2],
    [gamma, beta]: [CubeTensor; 2],
    [mean, variance]: [CubeTensor; 2],
    norm: Normalization,
) -> [CubeTensor; 3] {
    let [all_rows, channels] = dims(&x);
    let ghosts = norm.ghost_batches;
    let plan = Plan::new(&x, ghosts);
    let client = x.client.clone();
    let dtype = dtype_to_storage_type(x.dtype);
    let parts = empty(&x, [ghosts, plan.parts, 2, channels], DType::F32);
    let sums = empty(&x, [ghosts, 2, channels], DType::F32);
    let [d_gamma, d_beta] = [(); 2].map(|()| empty(&x, [channels], DType::F32));
    let dx = empty(&x, [all_rows, channels], x.dtype);
    gradient_parts_kernel::launch(
        &client,
        plan.cube_count(plan.parts, ghosts),
        plan.cube_dim(),
        plan.vector_size,
        x.clone().into_tensor_arg(),
        dy.clone().into_tensor_arg(),
        mean.clone().into_tensor_arg(),
        variance.clone().into_tensor_arg(),
        gamma.clone().into_tensor_arg(),
        beta.clone().into_tensor_arg(),
        parts.clone().into_tensor_arg(),
        plan.rows,
        plan.rows_of_part,
        norm.epsilon,
        norm.negative_slope,
        plan.lanes,
        plan.lines,
        dtype,
    );
    gradient_sums_kernel::launch(
        &client,
        plan.cube_count(1, 1),
        plan.cube_dim(),
        plan.vector_size,
        parts.into_tensor_arg(),
        sums.clone().into_tensor_arg(),
        d_gamma.clone().into_tensor_arg(),
        d_beta.clone().into_tensor_arg(),
        plan.lanes,
        plan.lines,
    );
    let (cube_count, cube_dim) = one_unit_each(&x, all_rows * channels / plan.vector_size);
    input_gradient_kernel::launch(
        &client,
        cube_count,
        cube_dim,
        plan.vector_size,
        x.into_tensor_arg(),
        dy.into_tensor_arg(),
        mean.into_tensor_arg(),
        variance.into_tensor_arg(),
        gamma.into_tensor_arg(),
        beta.into_tensor_arg(),
        sums.into_tensor_arg(),
        dx.clone().into_tensor_arg(),
        plan.rows,
        norm.epsilon,
        norm.negative_slope,
        dtype,
    );
    [dx, d_gamma, d_beta]
}
