//! Operations of this crate on a backend's own tensors, with their gradients as nodes of Burn's autodiff
//! graph.
//!
//! A backward pass computes the gradients that somebody tracks and nothing else: none of an input that is
//! data, none of weights that do not learn.

use std::fmt::Debug;

use burn::{
    backend::{Backend, tensor::FloatTensor},
    tensor::Tensor,
};

/// A backend that this crate has kernels for: Burn's tensors as its own, and back.
pub(crate) trait KernelBackend: Backend {
    /// The value of a tensor on a device without autodiff.
    fn primitive<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Self>;

    /// Back to a tensor on a device without autodiff.
    fn from_primitive<const D: usize>(primitive: FloatTensor<Self>) -> Tensor<D>;

    /// The tensor as a node of the graph; a tensor without autodiff is a constant.
    #[cfg(feature = "autodiff")]
    fn node<const D: usize>(tensor: Tensor<D>) -> graph::Node<Self>;

    /// Back to a tensor on a device with autodiff.
    #[cfg(feature = "autodiff")]
    fn from_node<const D: usize>(node: graph::Node<Self>) -> Tensor<D>;
}

macro_rules! impl_kernel_backend {
    ($backend:ty) => {
        impl KernelBackend for $backend {
            fn primitive<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Self> {
                tensor
                    .try_into_primitive::<Self>()
                    .expect("a tensor of the backend that `Implementation::of` found")
            }

            fn from_primitive<const D: usize>(primitive: FloatTensor<Self>) -> Tensor<D> {
                Tensor::<D>::from_primitive::<Self>(primitive)
            }

            #[cfg(feature = "autodiff")]
            fn node<const D: usize>(tensor: Tensor<D>) -> graph::Node<Self> {
                match tensor.clone().try_into_primitive::<graph::Recorded<Self>>() {
                    Ok(node) => node,
                    Err(_) => graph::Node::<Self>::new(Self::primitive(tensor)),
                }
            }

            #[cfg(feature = "autodiff")]
            fn from_node<const D: usize>(node: graph::Node<Self>) -> Tensor<D> {
                Tensor::<D>::from_primitive::<graph::Recorded<Self>>(node)
            }
        }
    };
}

#[cfg(feature = "flex")]
impl_kernel_backend!(burn::backend::Flex);
#[cfg(feature = "cube")]
impl_kernel_backend!(burn::backend::Cube);

/// An operation on `N` tensors.
pub(crate) trait Operation<B: KernelBackend, const N: usize>: Debug + Send + 'static {
    /// What the backward pass needs of the inputs and the output.
    type SavedForBackward: Clone + Debug + Send + 'static;

    /// What the operation returns beside its output, without gradients.
    type Extra;

    fn forward(&self, inputs: [FloatTensor<B>; N]) -> ForwardOutput<B, Self::SavedForBackward, Self::Extra>;

    /// Gradients of the inputs from that of the output.
    #[cfg_attr(not(feature = "autodiff"), expect(dead_code, reason = "nothing is differentiated"))]
    fn backward(&self, saved: Self::SavedForBackward, dy: FloatTensor<B>, grads: &mut GradSink<'_, B, N>);
}

/// What a forward pass leaves.
pub(crate) struct ForwardOutput<B: Backend, SavedForBackward, Extra> {
    pub(crate) output: FloatTensor<B>,
    #[cfg_attr(not(feature = "autodiff"), expect(dead_code, reason = "nothing is differentiated"))]
    pub(crate) saved: SavedForBackward,
    pub(crate) extra: Extra,
}

/// Takes the gradients of the inputs that are tracked.
pub(crate) struct GradSink<'a, B: Backend, const N: usize> {
    tracked: [bool; N],
    register: &'a mut dyn FnMut(usize, FloatTensor<B>),
}

impl<B: Backend, const N: usize> GradSink<'_, B, N> {
    /// Whether an input's gradient is asked for.
    #[cfg(feature = "cube")]
    pub(crate) fn is_tracked(&self, input: usize) -> bool {
        self.tracked[input]
    }

    /// Computes and hands over the gradient of an input, if it is tracked.
    pub(crate) fn register(&mut self, input: usize, gradient: impl FnOnce() -> FloatTensor<B>) {
        if self.tracked[input] {
            (self.register)(input, gradient());
        }
    }
}

/// An input: a value, or a node of the graph.
pub(crate) enum Input<B: KernelBackend> {
    Value(FloatTensor<B>),
    #[cfg(feature = "autodiff")]
    Node(graph::Node<B>),
}

impl<B: KernelBackend> Input<B> {
    pub(crate) fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        #[cfg(feature = "autodiff")]
        if tensor.device().is_autodiff() {
            return Self::Node(B::node(tensor));
        }
        Self::Value(B::primitive(tensor))
    }
}

/// Computes, and enters a node in the graph where an input is one.
pub(crate) fn apply<B: KernelBackend, O: Operation<B, N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [Input<B>; N],
) -> (Tensor<D>, O::Extra) {
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
    (B::from_primitive(output), extra)
}

/// The value of a tensor that no gradient goes through; nothing if one does.
pub(crate) fn untracked<B: KernelBackend, const D: usize>(tensor: Tensor<D>) -> Option<FloatTensor<B>> {
    #[cfg(feature = "autodiff")]
    if tensor.device().is_autodiff() {
        let node = B::node(tensor);
        return (!node.is_tracked()).then(|| node.into_primitive());
    }
    Some(B::primitive(tensor))
}

/// A tensor without gradients on the device of another.
pub(crate) fn constant_like<B: KernelBackend, const D: usize, const E: usize>(
    other: &Tensor<D>,
    value: FloatTensor<B>,
) -> Tensor<E> {
    #[cfg(feature = "autodiff")]
    if other.device().is_autodiff() {
        return B::from_node(graph::Node::<B>::new(value));
    }
    let _ = other;
    B::from_primitive(value)
}

/// Nodes of Burn's autodiff graph.
#[cfg(feature = "autodiff")]
pub(crate) mod graph {
    use burn::{
        backend::{
            Autodiff,
            autodiff::{
                checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
                grads::Gradients,
                ops::{Backward, Ops, OpsKind},
            },
            tensor::FloatTensor,
        },
        tensor::Tensor,
    };

    use super::{ForwardOutput, GradSink, Input, KernelBackend, Operation};

    /// The backend with gradients recorded.
    pub(crate) type Recorded<B> = Autodiff<B, NoCheckpointing>;

    pub(crate) type Node<B> = FloatTensor<Recorded<B>>;

    /// An operation as a backward step.
    #[derive(Debug)]
    struct Step<O>(O);

    impl<B: KernelBackend, O: Operation<B, N>, const N: usize> Backward<B, N> for Step<O> {
        type State = O::SavedForBackward;

        fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
            let dy = grads.consume::<B>(&ops.node);
            let parents = ops.parents;
            let mut grads = GradSink {
                tracked: parents.each_ref().map(Option::is_some),
                register: &mut |input: usize, gradient| {
                    if let Some(node) = &parents[input] {
                        grads.register::<B>(node.id, gradient);
                    }
                },
            };
            self.0.backward(ops.state, dy, &mut grads);
        }
    }

    /// Computes, and enters a node in the graph if a gradient of an input is tracked.
    pub(crate) fn record<B: KernelBackend, O: Operation<B, N>, const N: usize, const D: usize>(
        operation: O,
        inputs: [Input<B>; N],
    ) -> (Tensor<D>, O::Extra) {
        let inputs = inputs.map(|input| match input {
            Input::Value(value) => Node::<B>::new(value),
            Input::Node(node) => node,
        });
        let nodes = inputs.each_ref().map(Node::<B>::node);
        let ForwardOutput { output, saved, extra } = operation.forward(inputs.map(Node::<B>::into_primitive));
        let step = Backward::<B, N>::prepare::<NoCheckpointing>(Step(operation), nodes);
        let node = match step.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        (B::from_node(node), extra)
    }
}
