//! One step of Adam: one launch for one tensor.
//!
//! In a recorded computation the numbers that change from step to step are read from the device, and the
//! tensors are written where they are, whoever else holds them.

use burn::tensor::Shape;
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::layout::{contiguous, one_unit_each, vector_size};
use crate::layer::AdamConstants;

/// The step of one vector. `lr` and `epsilon` have the corrections of both moments in them.
#[cube]
fn update<N: Size>(
    weights: &mut Tensor<Vector<f32, N>>,
    gradient: &Tensor<Vector<f32, N>>,
    first: &mut Tensor<Vector<f32, N>>,
    second: &mut Tensor<Vector<f32, N>>,
    beta_1: f32,
    beta_2: f32,
    lr: f32,
    epsilon: f32,
) {
    let one = Vector::<f32, N>::new(1.0f32);
    let (beta_1, beta_2) = (Vector::<f32, N>::new(beta_1), Vector::<f32, N>::new(beta_2));
    let gradient = gradient[ABSOLUTE_POS];
    let mean = first[ABSOLUTE_POS] * beta_1 + gradient * (one - beta_1);
    let square = second[ABSOLUTE_POS] * beta_2 + gradient * gradient * (one - beta_2);
    first[ABSOLUTE_POS] = mean;
    second[ABSOLUTE_POS] = square;
    weights[ABSOLUTE_POS] =
        weights[ABSOLUTE_POS] - mean * Vector::new(lr) / (square.sqrt() + Vector::new(epsilon));
}

#[cube(launch)]
fn adam_kernel<N: Size>(
    weights: &mut Tensor<Vector<f32, N>>,
    gradient: &Tensor<Vector<f32, N>>,
    first: &mut Tensor<Vector<f32, N>>,
    second: &mut Tensor<Vector<f32, N>>,
    beta_1: f32,
    beta_2: f32,
    lr: f32,
    epsilon: f32,
) {
    if ABSOLUTE_POS >= weights.len() {
        terminate!();
    }
    update::<N>(weights, gradient, first, second, beta_1, beta_2, lr, epsilon);
}

/// The same with `lr` and `epsilon` in `rates`.
#[cube(launch)]
fn recorded_adam_kernel<N: Size>(
    weights: &mut Tensor<Vector<f32, N>>,
    gradient: &Tensor<Vector<f32, N>>,
    first: &mut Tensor<Vector<f32, N>>,
    second: &mut Tensor<Vector<f32, N>>,
    rates: &Tensor<f32>,
    beta_1: f32,
    beta_2: f32,
) {
    if ABSOLUTE_POS >= weights.len() {
        terminate!();
    }
    update::<N>(weights, gradient, first, second, beta_1, beta_2, rates[0], rates[1]);
}

/// Weights and both moments after the step, in place where nobody else holds them.
pub(super) fn step(
    weights: CubeTensor,
    gradient: CubeTensor,
    moments: [CubeTensor; 2],
    constants: AdamConstants,
) -> [CubeTensor; 3] {
    let AdamConstants { beta_1, beta_2, lr, correction, epsilon } = constants;
    let shape = weights.meta.shape().clone();
    let count = shape.num_elements();
    let line = |tensor| contiguous(into_contiguous(tensor), Shape::new([count]));
    let own = |tensor: CubeTensor| {
        let tensor = line(tensor);
        if tensor.can_mut() { tensor } else { tensor.copy() }
    };
    let [first, second] = moments.map(own);
    let (weights, gradient) = (own(weights), line(gradient));
    let vector_size = vector_size(&[&weights]);
    let (cube_count, cube_dim) = one_unit_each(&weights, count / vector_size);
    adam_kernel::launch(
        &weights.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        weights.clone().into_tensor_arg(),
        gradient.into_tensor_arg(),
        first.clone().into_tensor_arg(),
        second.clone().into_tensor_arg(),
        beta_1,
        beta_2,
        lr * correction,
        epsilon * correction,
    );
    [weights, first, second].map(|tensor| contiguous(tensor, shape.clone()))
}

/// Weights and both moments after the step, written where they are.
pub(super) fn recorded_step(
    weights: CubeTensor,
    gradient: CubeTensor,
    [first, second]: [CubeTensor; 2],
    rates: CubeTensor,
    [beta_1, beta_2]: [f32; 2],
) -> [CubeTensor; 3] {
    let shape = weights.meta.shape().clone();
    let count = Shape::new([shape.num_elements()]);
    let [weights, first, second] = [weights, first, second].map(|tensor| contiguous(tensor, count.clone()));
    let gradient = contiguous(into_contiguous(gradient), count);
    let vector_size = vector_size(&[&weights]);
    let (cube_count, cube_dim) = one_unit_each(&weights, shape.num_elements() / vector_size);
    recorded_adam_kernel::launch(
        &weights.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        weights.clone().into_tensor_arg(),
        gradient.into_tensor_arg(),
        first.clone().into_tensor_arg(),
        second.clone().into_tensor_arg(),
        into_contiguous(rates).into_tensor_arg(),
        beta_1,
        beta_2,
    );
    [weights, first, second].map(|tensor| contiguous(tensor, shape.clone()))
}
