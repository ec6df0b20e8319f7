//! The operations as nodes of Burn's gradient graph.
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
    convolution::{above, below, forward, forward_up},
    map::{self, Map, in_order, slice},
};
use crate::{
    Activation, Convolution, Normalised, UpConvolution,
    kernel::{
        conv::{self, Geometry},
        finish::Finish,
        norm, pointwise,
        scratch::Buffer,
    },
};

/// Burn's gradient-recording form of the processor backend.
type Recording = Autodiff<Flex, NoCheckpointing>;

type Recorded = FloatTensor<Recording>;

/// The tensor as a node; a tensor without gradients is a constant.
fn recorded<const D: usize>(tensor: Tensor<D>) -> Recorded {
    match tensor.clone().try_into_primitive::<Recording>() {
        Ok(recorded) => recorded,
        Err(_) => Recorded::new(super::primitive(tensor).expect("a tensor on flex, as `form` found")),
    }
}

fn tensor<const D: usize>(recorded: Recorded) -> Tensor<D> {
    Tensor::<D, Float>::from_primitive::<Recording>(recorded)
}

/// What both kinds of convolution keep for their gradient.
#[derive(Clone, Debug)]
struct Kept {
    x: Map,
    weight: FlexTensor,
    /// The output, where an activation has to be undone.
    y: Option<Map>,
    activation: Activation,
}

impl Kept {
    fn new(x: &Map, weight: &FlexTensor, y: &Map, activation: Activation) -> Self {
        let y = (activation != Activation::Identity).then(|| y.clone());
        Self { x: x.clone(), weight: weight.clone(), y, activation }
    }

    /// The gradient before the activation, in place.
    fn before_activation(&self, mut dy: Map) -> Map {
        if let Some(y) = &self.y {
            pointwise::ungate(y.values(), self.activation.slope(), dy.values_mut());
        }
        dy
    }
}

pub(super) fn convolve(
    layer: Convolution,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    #[derive(Debug)]
    struct Node(Convolution);

    impl Backward<Flex, 3> for Node {
        type State = Kept;

        fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let kept = ops.state;
            let geometry = below(self.0, kept.x.shape, &kept.weight);
            let dz = kept.before_activation(Map::new(grads.consume::<Flex>(&ops.node)));
            let [x, weight, bias] = ops.parents;
            if let Some(bias) = bias {
                grads.register::<Flex>(bias.id, bias_gradient(&dz));
            }
            if let Some(node) = weight {
                let dw = conv::weight_gradient(&geometry, kept.x.values(), dz.values());
                grads.register::<Flex>(node.id, weight_tensor(&geometry, dw));
            }
            if let Some(node) = x {
                let weight = in_order(&kept.weight);
                let laid = conv::lay_up(&geometry, geometry.route(), slice(&weight));
                let dx = conv::up(&geometry, &laid, slice(&weight), dz.values(), &Finish::NOTHING);
                grads.register::<Flex>(node.id, Map::from_buffer(dx, geometry.large).into_tensor());
            }
        }
    }

    let activation = layer.activation;
    record(Node(layer), x, weight, bias, activation, |x, weight, bias| forward(layer, x, weight, bias))
}

pub(super) fn up_convolve(
    layer: UpConvolution,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    #[derive(Debug)]
    struct Node(UpConvolution);

    impl Backward<Flex, 3> for Node {
        type State = Kept;

        fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let kept = ops.state;
            let geometry = above(self.0.window, kept.x.shape, &kept.weight);
            let dz = kept.before_activation(Map::new(grads.consume::<Flex>(&ops.node)));
            let [x, weight, bias] = ops.parents;
            if let Some(bias) = bias {
                grads.register::<Flex>(bias.id, bias_gradient(&dz));
            }
            if let Some(node) = weight {
                let dw = conv::weight_gradient(&geometry, dz.values(), kept.x.values());
                grads.register::<Flex>(node.id, weight_tensor(&geometry, dw));
            }
            if let Some(node) = x {
                let weight = in_order(&kept.weight);
                let laid = conv::lay_down(&geometry, geometry.route(), slice(&weight));
                let dx = conv::down(&geometry, &laid, slice(&weight), dz.values(), &Finish::NOTHING);
                grads.register::<Flex>(node.id, Map::from_buffer(dx, geometry.small).into_tensor());
            }
        }
    }

    let activation = layer.activation;
    record(Node(layer), x, weight, bias, activation, |x, weight, bias| forward_up(layer, x, weight, bias))
}

/// Computes, and enters the node in the graph.
fn record<N: Backward<Flex, 3, State = Kept>>(
    node: N,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    activation: Activation,
    forward: impl Fn(&Map, &FlexTensor, Option<&FlexTensor>) -> Map,
) -> Tensor<4> {
    let (x, weight) = (recorded(x), recorded(weight));
    let has_bias = bias.is_some();
    // Without a bias the third parent is a constant of no use.
    let bias = bias.map_or_else(|| Recorded::new(map::from_buffer(Buffer::zeroed(1), [1])), recorded);
    let nodes = [x.node(), weight.node(), bias.node()];
    let (x, weight, bias) = (Map::new(x.into_primitive()), weight.into_primitive(), bias.into_primitive());
    let y = forward(&x, &weight, has_bias.then_some(&bias));
    tensor(match node.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let kept = Kept::new(&x, &weight, &y, activation);
            prep.finish(kept, y.into_tensor())
        }
        OpsKind::UnTracked(prep) => prep.finish(y.into_tensor()),
    })
}

fn bias_gradient(dz: &Map) -> FlexTensor {
    vector(norm::channel_sums(dz.values(), dz.shape.channels))
}

fn weight_tensor(geometry: &Geometry, dw: Buffer) -> FlexTensor {
    let Geometry { window, groups, large, small } = *geometry;
    map::from_buffer(dw, [small.channels, large.channels / groups, window.kernel, window.kernel])
}

fn vector(values: Vec<f32>) -> FlexTensor {
    let length = values.len();
    FlexTensor::from_data(burn::tensor::TensorData::new(values, [length]))
}

/// What batch norm keeps for its gradient.
#[derive(Clone, Debug)]
struct KeptNorm {
    x: Map,
    gamma: FlexTensor,
    beta: FlexTensor,
    mean: Vec<f32>,
    variance: Vec<f32>,
    epsilon: f32,
    slope: f32,
}

pub(super) fn normalise(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Normalised {
    #[derive(Debug)]
    struct Node;

    impl Backward<Flex, 3> for Node {
        type State = KeptNorm;

        fn backward(self, ops: Ops<KeptNorm, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let KeptNorm { x, gamma, beta, mean, variance, epsilon, slope } = ops.state;
            let dy = Map::new(grads.consume::<Flex>(&ops.node));
            let forward = norm::Normalised {
                x: x.values(),
                mean: &mean,
                variance: &variance,
                gamma: slice(&gamma),
                beta: slice(&beta),
                epsilon,
                slope,
            };
            let mut dx = Buffer::uncleared(x.shape.size());
            let slopes = norm::gradient(&forward, dy.values(), &mut dx);
            let [x_node, gamma_node, beta_node] = ops.parents;
            if let Some(node) = x_node {
                grads.register::<Flex>(node.id, Map::from_buffer(dx, x.shape).into_tensor());
            }
            if let Some(node) = gamma_node {
                grads.register::<Flex>(node.id, vector(slopes.gamma));
            }
            if let Some(node) = beta_node {
                grads.register::<Flex>(node.id, vector(slopes.beta));
            }
        }
    }

    let (x, gamma, beta) = (recorded(x), recorded(gamma), recorded(beta));
    let nodes = [x.node(), gamma.node(), beta.node()];
    let x = Map::new(x.into_primitive());
    let (gamma, beta) = (in_order(gamma.primitive()), in_order(beta.primitive()));
    let (y, moments) = super::normalisation::forward(&x, slice(&gamma), slice(&beta), epsilon, activation);
    let (mean, variance) = (vector(moments.mean.clone()), vector(moments.variance.clone()));
    let output = match Node.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let kept = KeptNorm {
                x,
                gamma,
                beta,
                mean: moments.mean,
                variance: moments.variance,
                epsilon: epsilon as f32,
                slope: activation.slope(),
            };
            prep.finish(kept, y.into_tensor())
        }
        OpsKind::UnTracked(prep) => prep.finish(y.into_tensor()),
    };
    Normalised {
        output: tensor(output),
        mean: tensor(Recorded::new(mean)),
        variance: tensor(Recorded::new(variance)),
    }
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

pub(super) fn tanh(x: Tensor<4>) -> Tensor<4> {
    #[derive(Debug)]
    struct Node;

    impl Backward<Flex, 1> for Node {
        type State = Map;

        fn backward(self, ops: Ops<Map, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let y = ops.state;
            let dy = Map::new(grads.consume::<Flex>(&ops.node));
            let [x] = ops.parents;
            if let Some(node) = x {
                let mut dx = Buffer::uncleared(y.shape.size());
                pointwise::tanh_gradient(y.values(), dy.values(), &mut dx);
                grads.register::<Flex>(node.id, Map::from_buffer(dx, y.shape).into_tensor());
            }
        }
    }

    let x = recorded(x);
    let nodes = [x.node()];
    let y = super::pointwise::forward_tanh(&Map::new(x.into_primitive()));
    tensor(match Node.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(y.clone(), y.into_tensor()),
        OpsKind::UnTracked(prep) => prep.finish(y.into_tensor()),
    })
}
