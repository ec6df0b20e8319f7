//! Tensors that keep their place in memory from step to step.

use burn::tensor::Shape;
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::layout::{contiguous, empty, one_unit_each, vector_size};

/// `(1 - weight) target + weight value`; the value itself for a weight of 1.
#[cube(launch)]
fn blend_kernel<N: Size>(
    target: &mut Tensor<Vector<f32, N>>,
    value: &Tensor<Vector<f32, N>>,
    keep: f32,
    weight: f32,
    #[comptime] replace: bool,
) {
    if ABSOLUTE_POS >= target.len() {
        terminate!();
    }
    if replace {
        target[ABSOLUTE_POS] = value[ABSOLUTE_POS];
    } else {
        target[ABSOLUTE_POS] =
            target[ABSOLUTE_POS] * Vector::new(keep) + value[ABSOLUTE_POS] * Vector::new(weight);
    }
}

/// `(1 - weight) target + weight value`, written where `target` is if nobody else holds it,
/// or if `in_place` says so.
pub(super) fn blend(target: CubeTensor, value: CubeTensor, weight: f64, in_place: bool) -> CubeTensor {
    let shape = target.meta.shape().clone();
    let count = Shape::new([shape.num_elements()]);
    let target = if in_place || target.can_mut() { target } else { copy(target) };
    let [target, value] = [target, into_contiguous(value)].map(|tensor| contiguous(tensor, count.clone()));
    let vector_size = vector_size(&[&target]);
    let (cube_count, cube_dim) = one_unit_each(&target, shape.num_elements() / vector_size);
    blend_kernel::launch(
        &target.client.clone(),
        cube_count,
        cube_dim,
        vector_size,
        target.clone().into_tensor_arg(),
        value.into_tensor_arg(),
        (1.0 - weight) as f32,
        weight as f32,
        weight == 1.0,
    );
    contiguous(target, shape)
}

/// A copy in memory of its own, row by row without padding.
pub(super) fn copy(value: CubeTensor) -> CubeTensor {
    let shape = value.meta.shape().clone();
    let target = empty(&value, [shape.num_elements()], value.dtype);
    blend(contiguous(target, shape), value, 1.0, true)
}
