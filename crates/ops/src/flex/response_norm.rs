//! Local response normalisation, and its gradient.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    map::Map,
    operation::{Forward, Input, Operation, Takers, apply},
};
use crate::{
    LocalResponseNorm,
    kernel::{
        response::{self, Response},
        scratch::Buffer,
    },
};

pub(crate) fn response_norm(norm: LocalResponseNorm, x: Tensor<4>) -> Tensor<4> {
    apply(norm, [Input::new(x)]).0
}

impl LocalResponseNorm {
    fn constants(self) -> Response {
        let scale = (self.alpha / self.channels as f64) as f32;
        Response { window: self.channels, scale, bias: self.bias as f32 }
    }
}

impl Operation<1> for LocalResponseNorm {
    /// The input.
    type Kept = Map;
    type Aside = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> Forward<Map, ()> {
        let x = Map::new(x);
        let mut y = Buffer::uncleared(x.shape.size());
        response::forward(self.constants(), x.shape.channels, x.values(), &mut y);
        let output = Map::from_buffer(y, x.shape);
        Forward { kept: x, output, aside: () }
    }

    fn backward(&self, x: Map, dy: Map, takers: &mut Takers<'_, 1>) {
        takers.give(0, || {
            let mut dx = Buffer::uncleared(x.shape.size());
            response::gradient(self.constants(), x.shape.channels, x.values(), dy.values(), &mut dx);
            Map::from_buffer(dx, x.shape).into_tensor()
        });
    }
}
