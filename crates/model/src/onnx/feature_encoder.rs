//! The graph of AlexNet from conv1 to pool5, in the order of `FeatureEncoder::maps`.

use context_encoder_ops::{Activation, ConvGeometry, LocalResponseNorm};

use super::graph::{Attribute, BATCH, ConvLayer, Graph, Size, Value};
use crate::{
    FeatureLayer, FeatureModelConfig, Pooling,
    feature_encoder::{CONV1, CONV2, CONV3, POOL, RESPONSE_NORM},
};

pub(super) fn graph(mut graph: Graph, config: &FeatureModelConfig) -> Result<Graph, String> {
    let dims = [BATCH, Size::Fixed(3), Size::Free("height"), Size::Free("width")];
    let mut x = graph.input("image", &dims, "picture in [-1, 1], sides from 67");
    let [c1, c2, c3, c4, c5] = config.encoder_channels();
    for layer in FeatureLayer::ALL {
        let (channels, sides) = match layer {
            FeatureLayer::Pool1 => {
                x = convolved(&mut graph, &x, "conv1", CONV1, 1)?; // [batch, 96, 55, 55]
                x = pooled(&mut graph, config, &x, "pool1", true)?; // [batch, 96, 27, 27]
                (c1, ["pool1_height", "pool1_width"])
            }
            FeatureLayer::Pool2 => {
                x = convolved(&mut graph, &x, "conv2", CONV2, config.groups)?; // [batch, 256, 27, 27]
                x = pooled(&mut graph, config, &x, "pool2", true)?; // [batch, 256, 13, 13]
                (c2, ["pool2_height", "pool2_width"])
            }
            FeatureLayer::Conv3 => {
                x = convolved(&mut graph, &x, "conv3", CONV3, 1)?; // [batch, 384, 13, 13]
                (c3, ["pool2_height", "pool2_width"])
            }
            FeatureLayer::Conv4 => {
                x = convolved(&mut graph, &x, "conv4", CONV3, config.groups)?; // [batch, 384, 13, 13]
                (c4, ["pool2_height", "pool2_width"])
            }
            FeatureLayer::Conv5 => {
                x = convolved(&mut graph, &x, "conv5", CONV3, config.groups)?; // [batch, 256, 13, 13]
                (c5, ["pool2_height", "pool2_width"])
            }
            FeatureLayer::Pool5 => {
                x = pooled(&mut graph, config, &x, "pool5", false)?; // [batch, 256, 6, 6]
                (c5, ["pool5_height", "pool5_width"])
            }
        };
        let [height, width] = sides.map(Size::Free);
        graph.output(&x, layer.name(), &[BATCH, Size::Fixed(channels), height, width], "a layer's map");
        layer.name().clone_into(&mut x);
    }
    Ok(graph)
}

/// A convolution and ReLU.
fn convolved(
    graph: &mut Graph,
    x: &str,
    path: &str,
    geometry: ConvGeometry,
    groups: usize,
) -> Result<Value, String> {
    let layer = ConvLayer { path, geometry, groups, transposed: false };
    graph.conv_block(x, &layer, None, Activation::Relu)
}

/// Local response normalization where `normalized` and configured, then pooling.
fn pooled(
    graph: &mut Graph,
    config: &FeatureModelConfig,
    x: &str,
    path: &str,
    normalized: bool,
) -> Result<Value, String> {
    let mut x = x.to_owned();
    if normalized && config.local_response_norm {
        let LocalResponseNorm { size, alpha, k } = RESPONSE_NORM;
        let attributes = [
            ("size", Attribute::Int(size)),
            ("alpha", Attribute::Float(alpha as f32)),
            ("beta", Attribute::Float(LocalResponseNorm::BETA as f32)),
            ("bias", Attribute::Float(k as f32)),
        ];
        x = graph.node("LRN", &[&x], &attributes);
    }
    let ConvGeometry { kernel, stride, .. } = POOL;
    let window =
        [("kernel_shape", Attribute::Ints(&[kernel; 2])), ("strides", Attribute::Ints(&[stride; 2]))];
    match config.pooling {
        Pooling::Max => Ok(graph.node("MaxPool", &[&x], &window)),
        Pooling::Convolution => convolved(graph, &x, path, POOL, 1),
    }
}
