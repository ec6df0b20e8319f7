//! Operations on single values.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    map::{Map, in_order, slice},
    operation::{Forward, Input, Operation, Takers, apply},
};
use crate::kernel::{map::Shape, pointwise, scratch::Buffer};

pub(crate) fn tanh(x: Tensor<4>) -> Tensor<4> {
    apply(Tanh, [Input::new(x)]).0
}

#[derive(Debug)]
struct Tanh;

impl Operation<1> for Tanh {
    /// The result.
    type Kept = Map;
    type Aside = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> Forward<Map, ()> {
        let x = Map::new(x);
        let mut y = Buffer::uncleared(x.shape.size());
        pointwise::tanh(x.values(), &mut y);
        let output = Map::from_buffer(y, x.shape);
        Forward { kept: output.clone(), output, aside: () }
    }

    fn backward(&self, y: Map, dy: Map, takers: &mut Takers<'_, 1>) {
        takers.give(0, || {
            let mut dx = Buffer::uncleared(y.shape.size());
            pointwise::tanh_gradient(y.values(), dy.values(), &mut dx);
            Map::from_buffer(dx, y.shape).into_tensor()
        });
    }
}

/// Nothing where somebody wants gradients of the pictures or the masks.
pub(crate) fn apply_mask(images: &Tensor<4>, masks: &Tensor<4>, colour: [f32; 3]) -> Option<Tensor<4>> {
    let [batch, channels, height, width] = images.dims();
    let planes = in_order(&super::constant(images.clone())?);
    let hidden = in_order(&super::constant(masks.clone())?);
    let shape = Shape { batch, height, width, channels };
    let mut to = Buffer::uncleared(shape.size());
    pointwise::apply_mask(slice(&planes), slice(&hidden), colour, height * width, &mut to);
    let concealed = Map::from_buffer(to, shape).into_tensor();
    Some(super::like(images, concealed))
}
