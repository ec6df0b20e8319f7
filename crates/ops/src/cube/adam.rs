//! One step of Adam: one launch for one tensor.

use burn::tensor::Shape;
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::layout::{contiguous, one_unit_each, vector_size};
use crate::layer::AdamConstants;

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
