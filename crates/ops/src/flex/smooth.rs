//! Smooth surfaces through holes.

use burn::tensor::Tensor;

use super::map::{Map, in_order, slice};
use crate::kernel::{map::Shape, scratch::Buffer, smooth};

/// Of tensors without gradients.
pub(crate) fn smooth(images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = images.dims();
    let values = |tensor: Tensor<4>| in_order(&super::primitive(tensor).expect("on flex, as `form` found"));
    let (planes, hidden) = (values(images), values(masks));
    let shape = Shape { batch, height, width, channels };
    let mut to = Buffer::uncleared(shape.size());
    smooth::smooth(slice(&planes), slice(&hidden), [height, width], &mut to);
    super::tensor(Map::from_buffer(to, shape).into_tensor())
}
