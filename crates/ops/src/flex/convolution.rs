//! Convolutions and up-convolutions, and their gradients.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    map::{self, Map, in_order, slice, vector},
    operation::{Forward, Input, Operation, Takers, apply},
};
use crate::{
    Activation, ConvLayer,
    kernel::{
        conv::{self, Geometry},
        finish::Finish,
        norm, pointwise,
        scratch::Buffer,
    },
};

pub(crate) fn convolve(
    layer: ConvLayer,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    // A layer without bias has one of no values.
    let bias = bias.map_or_else(|| Input::Value(map::from_buffer(Buffer::uncleared(0), [0])), Input::new);
    apply(layer, [Input::new(x), Input::new(weight), bias]).0
}

/// The maps on both sides of a layer that takes `x`.
fn geometry(layer: ConvLayer, x: &Map, weight: &FlexTensor) -> Geometry {
    let dims = weight.layout().shape();
    Geometry::of(layer, x.shape, [dims[0], dims[1]])
}

/// What a layer keeps for its gradient.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    x: Map,
    weight: FlexTensor,
    /// The output, where an activation has to be undone.
    y: Option<Map>,
}

impl Operation<3> for ConvLayer {
    type Kept = Kept;
    type Aside = ();

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> Forward<Kept, ()> {
        let x = Map::new(x);
        let (weight, bias) = (in_order(&weight), in_order(&bias));
        let geometry = geometry(*self, &x, &weight);
        let [_, result] = self.way.sorted([geometry.large, geometry.small]);
        let bias = Some(slice(&bias)).filter(|bias| !bias.is_empty());
        let finish = Finish::with_bias(bias, self.activation.slope());
        let laid = conv::lay(&geometry, self.way, geometry.route(), slice(&weight));
        let y = conv::run(&geometry, &laid, slice(&weight), x.values(), &finish);
        let output = Map::from_buffer(y, result);
        let y = (self.activation != Activation::Identity).then(|| output.clone());
        Forward { output, kept: Kept { x, weight, y }, aside: () }
    }

    fn backward(&self, kept: Kept, mut dy: Map, takers: &mut Takers<'_, 3>) {
        let Kept { x, weight, y } = kept;
        if let Some(y) = y {
            pointwise::ungate(y.values(), self.activation.slope(), dy.values_mut());
        }
        let geometry = geometry(*self, &x, &weight);
        takers.give(2, || vector(&norm::channel_sums(dy.values(), dy.shape.channels)));
        takers.give(1, || {
            let [large, small] = self.way.sorted([&x, &dy]);
            let dw = conv::weight_gradient(&geometry, large.values(), small.values());
            let Geometry { window, groups, large, small } = geometry;
            map::from_buffer(dw, [small.channels, large.channels / groups, window.kernel, window.kernel])
        });
        takers.give(0, || {
            let laid = conv::lay(&geometry, self.way.reversed(), geometry.route(), slice(&weight));
            let dx = conv::run(&geometry, &laid, slice(&weight), dy.values(), &Finish::NOTHING);
            Map::from_buffer(dx, x.shape).into_tensor()
        });
    }
}
