//! Adam in one pass over memory.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::map::{in_order, slice};
use crate::{AdamStep, kernel::pointwise, plain};

pub(crate) fn adam<const D: usize>(
    step: AdamStep,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    [first, second]: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    if weights.device().is_autodiff() || gradient.device().is_autodiff() {
        // An optimiser works on plain tensors; whoever wants to differentiate a step gets the plain form.
        return plain::adam(step, weights, gradient, [first, second]);
    }
    let gradient = in_order(&super::primitive(gradient).expect("a tensor on flex, as `form` found"));
    let (mut weights, mut first, mut second) = (owned(weights), owned(first), owned(second));
    let kernel = pointwise::AdamStep {
        beta_1: step.beta_1,
        beta_2: step.beta_2,
        rate: step.rate(),
        correction: step.correction(),
        epsilon: step.epsilon,
    };
    pointwise::adam(
        kernel,
        weights.storage_mut(),
        slice(&gradient),
        first.storage_mut(),
        second.storage_mut(),
    );
    (super::tensor(weights), [super::tensor(first), super::tensor(second)])
}

/// The tensor in the order of its shape, whose `storage_mut` is all of it and copies what is shared.
fn owned<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = super::primitive(tensor).expect("a tensor on flex, as `form` found");
    let layout = tensor.layout();
    let whole = layout.is_contiguous()
        && layout.start_offset() == 0
        && tensor.bytes().len() == layout.num_elements() * size_of::<f32>();
    if whole { tensor } else { FlexTensor::from_data(tensor.into_data()) }
}
