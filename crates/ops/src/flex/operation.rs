//! An operation with its gradient, and how it runs: at once, or as a node of Burn's gradient graph.

use std::fmt::Debug;

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::map::Map;

/// An operation on `N` tensors, the result being a map.
pub(super) trait Operation<const N: usize>: Debug + Send + 'static {
    /// What the gradient needs of the inputs and the result.
    type Kept: Clone + Debug + Send + 'static;

    /// What else there is to tell, beside the result.
    type Aside;

    fn forward(&self, inputs: [FlexTensor; N]) -> Forward<Self::Kept, Self::Aside>;

    /// Gradients of the inputs from that of the result: those that somebody asked for.
    fn backward(&self, kept: Self::Kept, dy: Map, takers: &mut Takers<'_, N>);
}

/// What a forward pass leaves.
pub(super) struct Forward<Kept, Aside> {
    pub(super) output: Map,
    pub(super) kept: Kept,
    pub(super) aside: Aside,
}

/// Whoever asked for the gradients of the inputs.
pub(super) struct Takers<'a, const N: usize> {
    pub(super) wanted: [bool; N],
    pub(super) take: &'a mut dyn FnMut(usize, FlexTensor),
}

impl<const N: usize> Takers<'_, N> {
    /// Computes and hands over the gradient of an input, if somebody asked for it.
    pub(super) fn give(&mut self, input: usize, gradient: impl FnOnce() -> FlexTensor) {
        if self.wanted[input] {
            (self.take)(input, gradient());
        }
    }
}

/// An input: a value, or a node of the graph.
pub(super) enum Input {
    Value(FlexTensor),
    #[cfg(feature = "autodiff")]
    Recorded(super::gradient::Recorded),
}

impl Input {
    pub(super) fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        #[cfg(feature = "autodiff")]
        if tensor.device().is_autodiff() {
            return Self::Recorded(super::gradient::recorded(tensor));
        }
        Self::Value(super::primitive(tensor).expect("a tensor on flex, as `form` found"))
    }
}

/// Computes, and enters a node in the graph where an input is one.
pub(super) fn apply<O: Operation<N>, const N: usize>(
    operation: O,
    inputs: [Input; N],
) -> (Tensor<4>, O::Aside) {
    #[cfg(feature = "autodiff")]
    if inputs.iter().any(|input| matches!(input, Input::Recorded(_))) {
        return super::gradient::record(operation, inputs);
    }
    let values = inputs.map(|input| match input {
        Input::Value(value) => value,
        #[cfg(feature = "autodiff")]
        Input::Recorded(_) => unreachable!("a node was recorded above"),
    });
    let Forward { output, aside, .. } = operation.forward(values);
    (super::tensor(output.into_tensor()), aside)
}
