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
    let own = |tensor: Tensor<D>| {
        super::primitive(tensor).expect("a tensor on flex, as `form` found").to_owned_in_order()
    };
    let gradient = in_order(&super::primitive(gradient).expect("a tensor on flex, as `form` found"));
    let (mut weights, mut first, mut second) = (own(weights), own(first), own(second));
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

/// Owned memory in the order of the shape; `storage_mut` copies what is shared.
trait Owned {
    fn to_owned_in_order(self) -> Self;
}

impl Owned for FlexTensor {
    fn to_owned_in_order(self) -> Self {
        let whole = self.layout().is_contiguous()
            && self.layout().start_offset() == 0
            && self.bytes().len() == self.layout().num_elements() * size_of::<f32>();
        if whole { self } else { Self::from_data(self.into_data()) }
    }
}
