//! The graph of the inpainting network, in the order of `Model::forward`.

use context_encoder_ops::Activation;

use super::{
    graph::{Attribute, BATCH, ConvLayer, Graph, Size, Value},
    smooth_fill::smooth_fill,
};
use crate::{
    BottleneckConfig, InitialFill, ModelConfig, Prediction,
    config::BOTTLENECK_SIDE,
    initial_fill::MAX_CORRECTION,
    layer::{HALVING, LEAKY, POINT, WHOLE_MAP},
};

/// What an ONNX file of a [`Model`](crate::Model) takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnnxInput {
    /// A picture and a mask; the graph fills the hidden part as the network needs it. As
    /// [`Model::forward`](crate::Model::forward): `image` is `[batch, 3, size, size]` in `[-1, 1]`,
    /// `mask` `[batch, 1, size, size]` with 1 = hidden.
    #[default]
    ImageAndMask,
    /// A picture whose hidden part is filled already, and the mask as a fourth channel where the network
    /// takes one. As [`Model::predict`](crate::Model::predict): `input` is `[batch, 3 or 4, size, size]`.
    Filled,
}

pub(super) fn graph(mut graph: Graph, config: &ModelConfig, input: OnnxInput) -> Result<Graph, String> {
    let (filled, input) = inputs(&mut graph, config, input);
    let (x, mut maps) = encoder(&mut graph, config, input)?;
    let x = bottleneck(&mut graph, config, &x)?;
    let x = decoder(&mut graph, config, x, &mut maps)?;
    let x = graph.node("Tanh", &[&x], &[]);
    let x = prediction(&mut graph, config, &filled, x);
    let side = config.predicted_side();
    let dims = [BATCH, Size::Fixed(3), Size::Fixed(side), Size::Fixed(side)];
    graph.output(&x, "prediction", &dims, "colors of the predicted part in [-1, 1]; may reach beyond, clamp");
    Ok(graph)
}

/// The filled picture alone, and what the network takes.
fn inputs(graph: &mut Graph, config: &ModelConfig, input: OnnxInput) -> (Value, Value) {
    let picture = |channels| {
        let side = Size::Fixed(config.size);
        [BATCH, Size::Fixed(channels), side, side]
    };
    match input {
        OnnxInput::Filled => {
            let channels = config.input_channels();
            let meaning =
                "filled picture in [-1, 1], then the mask (1 = hidden) if there is a fourth channel";
            let input = graph.input("input", &picture(channels), meaning);
            let filled = if config.mask_input { slice(graph, &input, 1, 0, 3) } else { input.clone() };
            (filled, input)
        }
        OnnxInput::ImageAndMask => {
            let image = graph.input("image", &picture(3), "picture in [-1, 1]");
            let mask = graph.input("mask", &picture(1), "1 = hidden, 0 = visible");
            let filled = match config.fill {
                InitialFill::Smooth => smooth_fill(graph, &image, &mask, config.size),
                InitialFill::Mean | InitialFill::Authors => {
                    apply_mask(graph, &image, &mask, config.fill.rgb())
                }
            };
            let input = if config.mask_input { concatenated(graph, &filled, &mask) } else { filled.clone() };
            (filled, input)
        }
    }
}

/// `(1 - M) x + M color`.
fn apply_mask(graph: &mut Graph, image: &str, mask: &str, color: [f32; 3]) -> Value {
    let one = graph.floats("one", &[], &[1.0]);
    let color = graph.floats("color_of_holes", &[1, 3, 1, 1], &color);
    let visible = graph.node("Sub", &[&one, mask], &[]);
    let visible = graph.node("Mul", &[image, &visible], &[]);
    let hidden = graph.node("Mul", &[&color, mask], &[]);
    graph.node("Add", &[&visible, &hidden], &[])
}

/// The innermost map, and every stage's if there are skip connections.
fn encoder(graph: &mut Graph, config: &ModelConfig, mut x: Value) -> Result<(Value, Vec<Value>), String> {
    let mut maps = Vec::new();
    for stage in 0..config.encoder_stages() {
        let (conv, norm) = (format!("encoder.stages.{stage}.conv"), format!("encoder.stages.{stage}.norm"));
        let layer = ConvLayer { path: &conv, geometry: HALVING, groups: 1, transposed: false };
        x = graph.conv_block(&x, &layer, (stage > 0).then_some(&norm), LEAKY)?;
        if config.skips {
            maps.push(x.clone());
        }
    }
    Ok((x, maps))
}

fn bottleneck(graph: &mut Graph, config: &ModelConfig, x: &str) -> Result<Value, String> {
    let conv = |path, geometry| ConvLayer { path, geometry, groups: 1, transposed: false };
    match config.bottleneck {
        BottleneckConfig::ChannelWise => {
            let (channels, side) = (config.bottleneck_channels() as i64, BOTTLENECK_SIDE as i64);
            // 0 keeps the batch's dimension.
            let columns = graph.integers("map_as_columns", &[0, channels, side * side, 1]);
            let map = graph.integers("columns_as_map", &[0, channels, side, side]);
            let weight = graph.weight("bottleneck.channel_wise.weight")?;
            let x = graph.node("Reshape", &[x, &columns], &[]); // [batch, 8 width, 16, 1]
            let x = graph.node("MatMul", &[&weight, &x], &[]); // [batch, 8 width, 16, 1]
            let x = graph.node("Reshape", &[&x, &map], &[]); // [batch, 8 width, 4, 4]
            graph.conv_block(&x, &conv("bottleneck.mix", POINT), Some("bottleneck.norm"), Activation::Relu)
        }
        BottleneckConfig::Dense(_) => {
            let down = conv("bottleneck.down", WHOLE_MAP);
            let mut x = graph.conv_block(x, &down, Some("bottleneck.down_norm"), LEAKY)?; // [batch, code, 1, 1]
            if config.noise > 0 {
                let noise = noise_code(graph, config.noise, &x)?;
                x = concatenated(graph, &x, &noise); // [batch, code + noise, 1, 1]
            }
            let up = ConvLayer { transposed: true, ..conv("bottleneck.up", WHOLE_MAP) };
            graph.conv_block(&x, &up, Some("bottleneck.up_norm"), Activation::Relu) // [batch, 8 width, 4, 4]
        }
    }
}

/// What zeros become on their way to the dense code: `[batch, noise, 1, 1]`.
fn noise_code(graph: &mut Graph, noise: usize, code: &str) -> Result<Value, String> {
    let zeros = graph.floats("no_noise", &[1, noise, 1, 1], &vec![0.0; noise]);
    let layer = ConvLayer { path: "bottleneck.noise.conv", geometry: POINT, groups: 1, transposed: false };
    let noise_code = graph.conv_block(&zeros, &layer, Some("bottleneck.noise.norm"), LEAKY)?;
    let batch = graph.node("Shape", &[code], &[("start", Attribute::Int(0)), ("end", Attribute::Int(1))]);
    let ones = graph.integers("three_ones", &[1, 1, 1]);
    let shape = graph.node("Concat", &[&batch, &ones], &[("axis", Attribute::Int(0))]);
    Ok(graph.node("Expand", &[&noise_code, &shape], &[]))
}

/// To three channels, before tanh. `maps` are the encoder's, from the outside in.
fn decoder(
    graph: &mut Graph,
    config: &ModelConfig,
    mut x: Value,
    maps: &mut Vec<Value>,
) -> Result<Value, String> {
    let mut add_skip = |graph: &mut Graph, x: Value| match maps.pop() {
        Some(map) => graph.node("Add", &[&x, &map], &[]),
        None => x,
    };
    x = add_skip(graph, x);
    for stage in 0..config.decoder_stages() - 1 {
        let (conv, norm) = (format!("decoder.stages.{stage}.conv"), format!("decoder.stages.{stage}.norm"));
        let layer = ConvLayer { path: &conv, geometry: HALVING, groups: 1, transposed: true };
        x = graph.conv_block(&x, &layer, Some(&norm), Activation::Relu)?;
        x = add_skip(graph, x);
    }
    let to_rgb = ConvLayer { path: "decoder.to_rgb", geometry: HALVING, groups: 1, transposed: true };
    graph.conv_block(&x, &to_rgb, None, Activation::Identity)
}

/// The output itself, or as a correction of the smooth fill in its place.
fn prediction(graph: &mut Graph, config: &ModelConfig, filled: &str, output: Value) -> Value {
    match config.fill {
        InitialFill::Mean | InitialFill::Authors => output,
        InitialFill::Smooth => {
            let fill = match config.prediction {
                Prediction::Whole => filled.to_owned(),
                Prediction::Centre => {
                    let (start, end) = (config.size / 4, config.size / 4 + config.size / 2);
                    let rows = slice(graph, filled, 2, start, end);
                    slice(graph, &rows, 3, start, end)
                }
            };
            let factor = graph.floats("max_correction", &[], &[MAX_CORRECTION]);
            let correction = graph.node("Mul", &[&output, &factor], &[]);
            graph.node("Add", &[&fill, &correction], &[])
        }
    }
}

/// Along channels.
fn concatenated(graph: &mut Graph, a: &str, b: &str) -> Value {
    graph.node("Concat", &[a, b], &[("axis", Attribute::Int(1))])
}

fn slice(graph: &mut Graph, x: &str, axis: i64, start: usize, end: usize) -> Value {
    let [start, end, axis] =
        [start as i64, end as i64, axis].map(|index| graph.integers(&format!("index_{index}"), &[index]));
    graph.node("Slice", &[x, &start, &end, &axis], &[])
}
