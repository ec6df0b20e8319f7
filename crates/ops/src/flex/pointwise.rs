//! Operations on single values.

use burn::tensor::Tensor;

use super::map::{Map, in_order, slice};
use crate::kernel::{map::Shape, pointwise, scratch::Buffer};

pub(crate) fn tanh(x: Tensor<4>) -> Tensor<4> {
    match super::primitive(x.clone()) {
        Some(x) => super::tensor(forward_tanh(&Map::new(x)).into_tensor()),
        #[cfg(feature = "autodiff")]
        None => super::gradient::tanh(x),
        #[cfg(not(feature = "autodiff"))]
        None => unreachable!("without autodiff there are no gradients"),
    }
}

pub(super) fn forward_tanh(x: &Map) -> Map {
    let mut y = Buffer::uncleared(x.shape.size());
    pointwise::tanh(x.values(), &mut y);
    Map::from_buffer(y, x.shape)
}

/// Nothing where somebody wants gradients of the pictures or the masks.
pub(crate) fn conceal(images: &Tensor<4>, masks: &Tensor<4>, colour: [f32; 3]) -> Option<Tensor<4>> {
    let [batch, channels, height, width] = images.dims();
    let planes = in_order(&super::constant(images.clone())?);
    let hidden = in_order(&super::constant(masks.clone())?);
    let shape = Shape { batch, height, width, channels };
    let mut to = Buffer::uncleared(shape.size());
    pointwise::conceal(slice(&planes), slice(&hidden), colour, height * width, &mut to);
    let concealed = Map::from_buffer(to, shape).into_tensor();
    Some(super::like(images, concealed))
}
