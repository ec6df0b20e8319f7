//! Operations as nodes of Burn's gradient graph.
//!
//! A backward pass computes what somebody asked for and nothing else: no gradient of an input that
//! is data, none of weights that do not learn.

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::{Float, Tensor},
};
use burn_flex::FlexTensor;

use super::{
    map::Map,
    operation::{Forward, Input, Operation, Takers},
};

/// Burn's gradient-recording form of the processor backend.
type Recording = Autodiff<Flex, NoCheckpointing>;

/// A tensor of the graph.
pub(super) type Recorded = FloatTensor<Recording>;

/// The tensor as a node; a tensor without gradients is a constant.
pub(super) fn recorded<const D: usize>(tensor: Tensor<D>) -> Recorded {
    match tensor.clone().try_into_primitive::<Recording>() {
        Ok(recorded) => recorded,
        Err(_) => Recorded::new(super::primitive(tensor).expect("a tensor on flex, as `form` found")),
    }
}

fn tensor<const D: usize>(recorded: Recorded) -> Tensor<D> {
    Tensor::<D, Float>::from_primitive::<Recording>(recorded)
}

/// The value of a tensor that nobody wants gradients of.
pub(super) fn constant<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    let tensor = recorded(tensor);
    (!tensor.is_tracked()).then(|| tensor.into_primitive())
}

/// A tensor of the recording backend that carries no gradient.
pub(super) fn from_constant<const D: usize>(value: FlexTensor) -> Tensor<D> {
    tensor(Recorded::new(value))
}

/// An operation as a node; the graph keeps what the forward pass kept.
#[derive(Debug)]
struct Node<O>(O);

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Node<O> {
    type State = O::Kept;

    fn backward(self, ops: Ops<O::Kept, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = Map::new(grads.consume::<Flex>(&ops.node));
        let parents = ops.parents;
        let mut takers = Takers {
            wanted: parents.each_ref().map(Option::is_some),
            take: &mut |input: usize, gradient| {
                if let Some(node) = &parents[input] {
                    grads.register::<Flex>(node.id, gradient);
                }
            },
        };
        self.0.backward(ops.state, dy, &mut takers);
    }
}

/// Computes, and enters a node in the graph if somebody wants gradients of an input.
pub(super) fn record<O: Operation<N>, const N: usize>(
    operation: O,
    inputs: [Input; N],
) -> (Tensor<4>, O::Aside) {
    let inputs = inputs.map(|input| match input {
        Input::Value(value) => Recorded::new(value),
        Input::Recorded(recorded) => recorded,
    });
    let nodes = inputs.each_ref().map(Recorded::node);
    let Forward { output, kept, aside } = operation.forward(inputs.map(Recorded::into_primitive));
    let recorded = match Node(operation).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(kept, output.into_tensor()),
        OpsKind::UnTracked(prep) => prep.finish(output.into_tensor()),
    };
    (tensor(recorded), aside)
}
