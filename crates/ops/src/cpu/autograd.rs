//! Operations on Burn's processor tensors, with their gradients as nodes of Burn's autodiff graph.
//!
//! A backward pass computes the gradients that somebody tracks and nothing else: none of an input that is
//! data, none of weights that do not learn.

use std::fmt::Debug;

use burn::{
    backend::Flex,
    tensor::{Float, Tensor},
};
use burn_flex::FlexTensor;

use super::feature_map::FeatureMap;

/// An operation on `N` tensors, the result being a feature map.
pub(crate) trait Operation<const N: usize>: Debug + Send + 'static {
    /// What the backward pass needs of the inputs and the output.
    type SavedForBackward: Clone + Debug + Send + 'static;

    /// What the operation returns beside its output, without gradients.
    type Extra;

    fn forward(&self, inputs: [FlexTensor; N]) -> ForwardOutput<Self::SavedForBackward, Self::Extra>;

    /// Gradients of the inputs from that of the output.
    fn backward(&self, saved: Self::SavedForBackward, dy: FeatureMap, grads: &mut GradSink<'_, N>);
}

/// What a forward pass leaves.
pub(crate) struct ForwardOutput<SavedForBackward, Extra> {
    pub(crate) output: FeatureMap,
    pub(crate) saved: SavedForBackward,
    pub(crate) extra: Extra,
}

/// Takes the gradients of the inputs that are tracked.
pub(crate) struct GradSink<'a, const N: usize> {
    tracked: [bool; N],
    register: &'a mut dyn FnMut(usize, FlexTensor),
}

impl<const N: usize> GradSink<'_, N> {
    /// Computes and hands over the gradient of an input, if it is tracked.
    pub(crate) fn register(&mut self, input: usize, gradient: impl FnOnce() -> FlexTensor) {
        if self.tracked[input] {
            (self.register)(input, gradient());
        }
    }
}

/// An input: a value, or a node of the graph.
pub(crate) enum Input {
    Value(FlexTensor),
    #[cfg(feature = "autodiff")]
    Node(graph::Node),
}

impl Input {
    pub(crate) fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        #[cfg(feature = "autodiff")]
        if tensor.device().is_autodiff() {
            return Self::Node(graph::node(tensor));
        }
        Self::Value(primitive(tensor))
    }
}

/// Computes, and enters a node in the graph where an input is one.
pub(crate) fn apply<O: Operation<N>, const N: usize>(
    operation: O,
    inputs: [Input; N],
) -> (Tensor<4>, O::Extra) {
    #[cfg(feature = "autodiff")]
    if inputs.iter().any(|input| matches!(input, Input::Node(_))) {
        return graph::record(operation, inputs);
    }
    let values = inputs.map(|input| match input {
        Input::Value(value) => value,
        #[cfg(feature = "autodiff")]
        Input::Node(_) => unreachable!("recorded above"),
    });
    let ForwardOutput { output, extra, .. } = operation.forward(values);
    (from_primitive(output.into_tensor()), extra)
}

/// The value of a tensor on a device without autodiff.
pub(crate) fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.try_into_primitive::<Flex>().expect("a tensor on flex, as `Implementation::of` found")
}

/// Back to a tensor on a device without autodiff.
pub(crate) fn from_primitive<const D: usize>(primitive: FlexTensor) -> Tensor<D> {
    Tensor::<D, Float>::from_primitive::<Flex>(primitive)
}

/// The value of a tensor that no gradient goes through; nothing if one does.
pub(crate) fn untracked<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    #[cfg(feature = "autodiff")]
    if tensor.device().is_autodiff() {
        return graph::untracked(tensor);
    }
    Some(primitive(tensor))
}

/// A tensor without gradients on the device of another.
pub(crate) fn constant_like<const D: usize, const E: usize>(
    other: &Tensor<D>,
    value: FlexTensor,
) -> Tensor<E> {
    #[cfg(feature = "autodiff")]
    if other.device().is_autodiff() {
        return graph::constant(value);
    }
    let _ = other;
    from_primitive(value)
}

/// Nodes of Burn's autodiff graph.
#[cfg(feature = "autodiff")]
mod graph {
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

    use super::{FeatureMap, ForwardOutput, GradSink, Input, Operation, primitive};

    type AutodiffFlex = Autodiff<Flex, NoCheckpointing>;

    pub(crate) type Node = FloatTensor<AutodiffFlex>;

    /// The tensor as a node; a tensor without autodiff is a constant.
    pub(crate) fn node<const D: usize>(tensor: Tensor<D>) -> Node {
        match tensor.clone().try_into_primitive::<AutodiffFlex>() {
            Ok(node) => node,
            Err(_) => Node::new(primitive(tensor)),
        }
    }

    fn from_node<const D: usize>(node: Node) -> Tensor<D> {
        Tensor::<D, Float>::from_primitive::<AutodiffFlex>(node)
    }

    pub(crate) fn untracked<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
        let node = node(tensor);
        (!node.is_tracked()).then(|| node.into_primitive())
    }

    pub(crate) fn constant<const D: usize>(value: FlexTensor) -> Tensor<D> {
        from_node(Node::new(value))
    }

    /// An operation as a backward step.
    #[derive(Debug)]
    struct Step<O>(O);

    impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Step<O> {
        type State = O::SavedForBackward;

        fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
            let dy = FeatureMap::new(grads.consume::<Flex>(&ops.node));
            let parents = ops.parents;
            let mut grads = GradSink {
                tracked: parents.each_ref().map(Option::is_some),
                register: &mut |input: usize, gradient| {
                    if let Some(node) = &parents[input] {
                        grads.register::<Flex>(node.id, gradient);
                    }
                },
            };
            self.0.backward(ops.state, dy, &mut grads);
        }
    }

    /// Computes, and enters a node in the graph if a gradient of an input is tracked.
    pub(crate) fn record<O: Operation<N>, const N: usize>(
        operation: O,
        inputs: [Input; N],
    ) -> (Tensor<4>, O::Extra) {
        let inputs = inputs.map(|input| match input {
            Input::Value(value) => Node::new(value),
            Input::Node(node) => node,
        });
        let nodes = inputs.each_ref().map(Node::node);
        let ForwardOutput { output, saved, extra } = operation.forward(inputs.map(Node::into_primitive));
        let node = match Step(operation).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, output.into_tensor()),
            OpsKind::UnTracked(prep) => prep.finish(output.into_tensor()),
        };
        (from_node(node), extra)
    }
}
