//! Whether files are well-formed; `tests/integration/parity/onnx.rs` compares with a runtime.

use std::collections::BTreeSet;

use burn::{module::Module, tensor::Device};
use prost::Message;

use super::*;
use crate::{BottleneckConfig, FeatureLayer, FeatureModelConfig, ModelConfig, Pooling, Prediction, Preset};

fn read(save: impl FnOnce(&Path) -> Result<(), ModelError>) -> proto::Model {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("network.onnx");
    save(&path).expect("written");
    proto::Model::decode(&std::fs::read(path).expect("there")[..]).expect("protobuf")
}

/// Every value has one name and is defined before it is used; nothing is stored that is not used.
fn assert_well_formed(graph: &proto::Graph) {
    let name = |name: &Option<String>| name.clone().expect("a name");
    let stored: BTreeSet<String> = graph.initializers.iter().map(|tensor| name(&tensor.name)).collect();
    assert_eq!(stored.len(), graph.initializers.len());
    let mut defined = stored.clone();
    defined.extend(graph.inputs.iter().map(|input| name(&input.name)));
    let mut used = BTreeSet::new();
    for node in &graph.nodes {
        for input in node.inputs.iter().filter(|input| !input.is_empty()) {
            assert!(defined.contains(input), "{input} is used before it is computed");
            used.insert(input.clone());
        }
        for output in &node.outputs {
            assert!(defined.insert(output.clone()), "{output} is computed twice");
        }
    }
    for output in &graph.outputs {
        assert!(defined.contains(&name(&output.name)), "{output:?} is not computed");
    }
    assert!(stored.is_subset(&used), "not used: {:?}", stored.difference(&used));
    for tensor in &graph.initializers {
        let count: i64 = tensor.dims.iter().product();
        let size = if tensor.element_type == Some(proto::ElementType::F32.into()) { 4 } else { 8 };
        assert_eq!(tensor.raw_data.as_ref().map(Vec::len), Some(count as usize * size), "{:?}", tensor.name);
    }
}

/// Numbers in a graph that have the names of the network's parameters and statistics.
fn stored_weights(graph: &proto::Graph) -> i64 {
    let tensors = graph.initializers.iter().filter(|tensor| tensor.name().contains('.'));
    tensors.map(|tensor| tensor.dims.iter().product::<i64>()).sum()
}

#[test]
fn graphs_of_all_kinds_of_networks_are_well_formed_and_hold_every_weight() {
    let small = ModelConfig::default().with_size(64).with_width(2);
    let dense = small.clone().with_bottleneck(BottleneckConfig::Dense(5));
    for config in [
        small.clone(),
        small.clone().with_size(256),
        dense.clone().with_noise(3),
        dense.with_prediction(Prediction::Whole),
        small.clone().with_fill(crate::InitialFill::Smooth),
        ModelConfig::preset(Preset::Photo).with_size(64).with_width(2),
    ] {
        let model = config.init(&Device::flex()).expect("valid");
        for (input, names) in
            [(OnnxInput::ImageAndMask, &["image", "mask"][..]), (OnnxInput::Filled, &["input"])]
        {
            let file = read(|path| model.save_onnx(input, path));
            let graph = file.graph.expect("a graph");
            assert_well_formed(&graph);
            let inputs: Vec<&str> = graph.inputs.iter().map(proto::ValueInfo::name).collect();
            assert_eq!(inputs, names);
            assert_eq!(stored_weights(&graph), model.num_params() as i64, "{config:?}");
            let metadata = file.metadata[0].value();
            assert_eq!(serde_json::from_str::<ModelConfig>(metadata).expect("JSON"), config);
        }
    }
}

#[test]
fn a_feature_encoders_graph_has_every_layers_map_as_an_output() {
    let alexnet = FeatureModelConfig::alexnet().with_width(4).with_size(99);
    let pool_free = FeatureModelConfig { pooling: Pooling::Convolution, ..FeatureModelConfig::modern() };
    for config in [alexnet, pool_free.with_width(4).with_size(99)] {
        let encoder = config.init(&Device::flex()).expect("valid").into_encoder();
        let file = read(|path| encoder.save_onnx(path));
        let graph = file.graph.expect("a graph");
        assert_well_formed(&graph);
        assert_eq!(stored_weights(&graph), encoder.num_params() as i64);
        let outputs: Vec<&str> = graph.outputs.iter().map(proto::ValueInfo::name).collect();
        assert_eq!(outputs, FeatureLayer::ALL.map(FeatureLayer::name));
        let normalized = graph.nodes.iter().filter(|node| node.op_type() == "LRN").count();
        assert_eq!(normalized, if config.local_response_norm { 2 } else { 0 });
    }
}
