//! Max pooling, and its gradient.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    map::Map,
    operation::{Forward, Input, Operation, Takers, apply},
};
use crate::{
    ConvGeometry,
    kernel::{
        map::{Shape, Sink},
        pool,
        scratch::Buffer,
    },
};

pub(crate) fn max_pool(x: Tensor<4>, window: ConvGeometry) -> Tensor<4> {
    apply(MaxPool(window), [Input::new(x)]).0
}

#[derive(Debug)]
struct MaxPool(ConvGeometry);

impl Operation<1> for MaxPool {
    /// Input and result.
    type Kept = [Map; 2];
    type Aside = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> Forward<[Map; 2], ()> {
        let x = Map::new(x);
        let shape =
            Shape { height: self.0.down(x.shape.height), width: self.0.down(x.shape.width), ..x.shape };
        let mut y = Buffer::uncleared(shape.size());
        pool::max(x.source(), self.0, Sink::new(&mut y, shape));
        let output = Map::from_buffer(y, shape);
        Forward { kept: [x, output.clone()], output, aside: () }
    }

    fn backward(&self, [x, y]: [Map; 2], dy: Map, takers: &mut Takers<'_, 1>) {
        takers.give(0, || {
            let mut dx = Buffer::uncleared(x.shape.size());
            pool::gradient(x.source(), y.source(), dy.source(), self.0, Sink::new(&mut dx, x.shape));
            Map::from_buffer(dx, x.shape).into_tensor()
        });
    }
}
