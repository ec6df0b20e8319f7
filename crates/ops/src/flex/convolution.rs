//! Convolutions without gradients, and what those with gradients are made of.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::map::{Map, in_order, slice};
use crate::{
    Convolution, UpConvolution, Window,
    kernel::{
        conv::{self, Geometry},
        finish::Finish,
        map::Shape,
    },
};

pub(crate) fn convolve(
    layer: Convolution,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    match all_plain(&x, &weight, bias.as_ref()) {
        Some((x, weight, bias)) => {
            super::tensor(forward(layer, &Map::new(x), &weight, bias.as_ref()).into_tensor())
        }
        #[cfg(feature = "autodiff")]
        None => super::gradient::convolve(layer, x, weight, bias),
        #[cfg(not(feature = "autodiff"))]
        None => unreachable!("without autodiff there are no gradients"),
    }
}

pub(crate) fn up_convolve(
    layer: UpConvolution,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    match all_plain(&x, &weight, bias.as_ref()) {
        Some((x, weight, bias)) => {
            super::tensor(forward_up(layer, &Map::new(x), &weight, bias.as_ref()).into_tensor())
        }
        #[cfg(feature = "autodiff")]
        None => super::gradient::up_convolve(layer, x, weight, bias),
        #[cfg(not(feature = "autodiff"))]
        None => unreachable!("without autodiff there are no gradients"),
    }
}

/// All three, when none of them records gradients.
fn all_plain(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
) -> Option<(FlexTensor, FlexTensor, Option<FlexTensor>)> {
    let bias = match bias {
        Some(bias) => Some(super::primitive(bias.clone())?),
        None => None,
    };
    Some((super::primitive(x.clone())?, super::primitive(weight.clone())?, bias))
}

/// The maps on both sides of a convolution of `large`.
pub(super) fn below(layer: Convolution, large: Shape, weight: &FlexTensor) -> Geometry {
    let Convolution { window, groups, .. } = layer;
    let small = Shape {
        height: window.down(large.height),
        width: window.down(large.width),
        channels: weight.layout().shape()[0],
        ..large
    };
    Geometry { window, groups, large, small }
}

/// The maps on both sides of an up-convolution of `small`.
pub(super) fn above(window: Window, small: Shape, weight: &FlexTensor) -> Geometry {
    let large = Shape {
        height: window.up(small.height),
        width: window.up(small.width),
        channels: weight.layout().shape()[1],
        ..small
    };
    Geometry { window, groups: 1, large, small }
}

pub(super) fn forward(layer: Convolution, x: &Map, weight: &FlexTensor, bias: Option<&FlexTensor>) -> Map {
    let geometry = below(layer, x.shape, weight);
    let (weight, bias) = (in_order(weight), bias.map(in_order));
    let finish = Finish::with_bias(bias.as_ref().map(slice), layer.activation.slope());
    let laid = conv::lay_down(&geometry, geometry.route(), slice(&weight));
    let y = conv::down(&geometry, &laid, slice(&weight), x.values(), &finish);
    Map::from_buffer(y, geometry.small)
}

pub(super) fn forward_up(
    layer: UpConvolution,
    x: &Map,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> Map {
    let geometry = above(layer.window, x.shape, weight);
    let (weight, bias) = (in_order(weight), bias.map(in_order));
    let finish = Finish::with_bias(bias.as_ref().map(slice), layer.activation.slope());
    let laid = conv::lay_up(&geometry, geometry.route(), slice(&weight));
    let y = conv::up(&geometry, &laid, slice(&weight), x.values(), &finish);
    Map::from_buffer(y, geometry.large)
}
