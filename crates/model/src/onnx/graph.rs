//! A graph of ONNX operators, built node by node.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    store::{BurnToPyTorchAdapter, ModuleSnapshot, burn_pack::Tensor as NamedTensor},
};
use context_encoder_ops::{Activation, ConvGeometry};
use prost::Message;

use super::proto;

/// Version of ONNX's operators: the first whose batch norm has no options of training among its outputs, and
/// `Shape` a range, in the oldest that is widely read.
const OPSET: i64 = 17;

/// Version of the file format that came with those operators.
const IR_VERSION: i64 = 8;

/// PyTorch's default, which all networks here use.
const BATCH_NORM_EPSILON: f32 = 1e-5;

/// A value of the graph, by its name: an input, a weight or a node's output.
pub(super) type Value = String;

/// Size of a dimension of an input or output.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Fixed(usize),
    Free(&'static str),
}

/// The batch's dimension.
pub(super) const BATCH: Size = Size::Free("batch");

/// An attribute's value.
pub(super) enum Attribute<'a> {
    Int(usize),
    Ints(&'a [usize]),
    Float(f32),
    Text(&'a str),
}

/// A graph with the weights of one network.
pub(super) struct Graph {
    weights: BTreeMap<String, NamedTensor>,
    graph: proto::Graph,
}

impl Graph {
    /// An empty graph that may use a network's tensors, in inference, under PyTorch's names.
    pub(super) fn new<M: Module>(network: &M) -> Self {
        let tensors = network.valid().collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
        let weights = tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        Self { weights, graph: proto::Graph::default() }
    }

    pub(super) fn input(&mut self, name: &str, dims: &[Size], meaning: &str) -> Value {
        self.graph.inputs.push(value_info(name, dims, meaning));
        name.to_owned()
    }

    /// Makes a value an output under `name`. It must be a node's, and no other output.
    pub(super) fn output(&mut self, value: &str, name: &str, dims: &[Size], meaning: &str) {
        for node in &mut self.graph.nodes {
            for each in node.inputs.iter_mut().chain(&mut node.outputs).filter(|each| *each == value) {
                name.clone_into(each);
            }
        }
        self.graph.outputs.push(value_info(name, dims, meaning));
    }

    /// Adds a node and returns its output.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) -> Value {
        let name = format!("{}_{}", op.to_lowercase(), self.graph.nodes.len());
        self.graph.nodes.push(proto::Node {
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: vec![name.clone()],
            name: Some(name.clone()),
            op_type: Some(op.to_owned()),
            attributes: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
        });
        name
    }

    /// A constant of 32-bit floats.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, dims, proto::ElementType::F32, bytes)
    }

    /// A constant of integers, as shapes and indices are.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, &[values.len()], proto::ElementType::I64, bytes)
    }

    /// One of the network's tensors; `None` if it has none of this name.
    fn weight_if_any(&mut self, name: &str) -> Result<Option<Value>, String> {
        let Some(tensor) = self.weights.get(name) else { return Ok(None) };
        let bytes = tensor.to_bytes().map_err(|error| error.to_string())?.to_vec();
        let dims = tensor.shape.to_vec();
        Ok(Some(self.initializer(name, &dims, proto::ElementType::F32, bytes)))
    }

    pub(super) fn weight(&mut self, name: &str) -> Result<Value, String> {
        self.weight_if_any(name)?.ok_or_else(|| format!("the network has no tensor `{name}`"))
    }

    /// Every name is stored once.
    fn initializer(&mut self, name: &str, dims: &[usize], kind: proto::ElementType, bytes: Vec<u8>) -> Value {
        if !self.graph.initializers.iter().any(|other| other.name.as_deref() == Some(name)) {
            self.graph.initializers.push(proto::Tensor {
                dims: dims.iter().map(|&dim| dim as i64).collect(),
                element_type: Some(kind.into()),
                name: Some(name.to_owned()),
                raw_data: Some(bytes),
            });
        }
        name.to_owned()
    }

    /// A convolution with the weights `conv`, its bias if it has one, batch norm with the weights `norm`, and
    /// an activation.
    pub(super) fn conv_block(
        &mut self,
        x: &str,
        layer: &ConvLayer<'_>,
        norm: Option<&str>,
        activation: Activation,
    ) -> Result<Value, String> {
        let ConvGeometry { kernel, stride, padding } = layer.geometry;
        let weight = self.weight(&format!("{}.weight", layer.path))?;
        let bias = self.weight_if_any(&format!("{}.bias", layer.path))?;
        let inputs: Vec<&str> = [x, &weight].into_iter().chain(bias.as_deref()).collect();
        let op = if layer.transposed { "ConvTranspose" } else { "Conv" };
        let mut x = self.node(
            op,
            &inputs,
            &[
                ("kernel_shape", Attribute::Ints(&[kernel; 2])),
                ("strides", Attribute::Ints(&[stride; 2])),
                ("pads", Attribute::Ints(&[padding; 4])),
                ("group", Attribute::Int(layer.groups)),
            ],
        );
        if let Some(norm) = norm {
            let mut parameter = |name: &str| self.weight(&format!("{norm}.{name}"));
            let (scale, shift) = (parameter("weight")?, parameter("bias")?);
            let (mean, variance) = (parameter("running_mean")?, parameter("running_var")?);
            let epsilon = [("epsilon", Attribute::Float(BATCH_NORM_EPSILON))];
            x = self.node("BatchNormalization", &[&x, &scale, &shift, &mean, &variance], &epsilon);
        }
        Ok(match activation {
            Activation::Identity => x,
            Activation::Relu => self.node("Relu", &[&x], &[]),
            Activation::LeakyRelu(slope) => {
                self.node("LeakyRelu", &[&x], &[("alpha", Attribute::Float(slope))])
            }
        })
    }

    /// The file. `configuration`, a key and JSON, is kept with it.
    pub(super) fn encode(mut self, name: &str, configuration: (&str, String)) -> Vec<u8> {
        self.graph.name = Some(name.to_owned());
        let (key, json) = configuration;
        let model = proto::Model {
            ir_version: Some(IR_VERSION),
            producer_name: Some("context-encoder".to_owned()),
            graph: Some(self.graph),
            opset_import: vec![proto::OperatorSet { domain: Some(String::new()), version: Some(OPSET) }],
            metadata: vec![proto::Entry { key: Some(key.to_owned()), value: Some(json) }],
        };
        model.encode_to_vec()
    }
}

/// Where a convolution's weights are, and how it computes.
pub(super) struct ConvLayer<'a> {
    pub path: &'a str,
    pub geometry: ConvGeometry,
    pub groups: usize,
    pub transposed: bool,
}

fn attribute(name: &str, value: &Attribute<'_>) -> proto::Attribute {
    use proto::AttributeKind;
    let mut attribute = proto::Attribute { name: Some(name.to_owned()), ..Default::default() };
    let kind = match *value {
        Attribute::Int(value) => {
            attribute.i = Some(value as i64);
            AttributeKind::Int
        }
        Attribute::Ints(values) => {
            attribute.ints = values.iter().map(|&value| value as i64).collect();
            AttributeKind::Ints
        }
        Attribute::Float(value) => {
            attribute.f = Some(value);
            AttributeKind::Float
        }
        Attribute::Text(value) => {
            attribute.s = Some(value.as_bytes().to_vec());
            AttributeKind::String
        }
    };
    attribute.kind = Some(kind.into());
    attribute
}

fn value_info(name: &str, dims: &[Size], meaning: &str) -> proto::ValueInfo {
    let dims = dims.iter().map(|&size| proto::Dimension {
        size: Some(match size {
            Size::Fixed(size) => proto::Size::Fixed(size as i64),
            Size::Free(name) => proto::Size::Free(name.to_owned()),
        }),
    });
    let tensor = proto::TensorType {
        element_type: Some(proto::ElementType::F32.into()),
        shape: Some(proto::Shape { dims: dims.collect() }),
    };
    proto::ValueInfo {
        name: Some(name.to_owned()),
        kind: Some(proto::ValueType { tensor: Some(tensor) }),
        doc_string: Some(meaning.to_owned()),
    }
}
