//! Weights laid out once, for inference.

use std::{fmt, sync::OnceLock};

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    convolution::{above, below},
    map::{Map, in_order, slice},
};
use crate::{
    kernel::{
        conv::{self, Geometry, Route},
        finish::Finish,
    },
    prepared::Layer,
};

/// Weights, and their layouts for the algorithms that have been asked for.
pub(crate) struct Laid {
    layer: Layer,
    weight: FlexTensor,
    finish: Finish,
    winograd: OnceLock<conv::Laid>,
    direct: OnceLock<conv::Laid>,
}

impl Laid {
    pub(crate) fn new(layer: Layer, weight: Tensor<4>, affine: Option<(Tensor<1>, Tensor<1>)>) -> Self {
        let weight = in_order(&inner(weight));
        let affine = affine.map(|(scale, shift)| (in_order(&inner(scale)), in_order(&inner(shift))));
        let slope = match layer {
            Layer::Convolution(layer) => layer.activation.slope(),
            Layer::UpConvolution(layer) => layer.activation.slope(),
        };
        let finish = Finish::new(affine.as_ref().map(|(scale, shift)| (slice(scale), slice(shift))), slope);
        Self { layer, weight, finish, winograd: OnceLock::new(), direct: OnceLock::new() }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = Map::new(inner(x));
        let weight = slice(&self.weight);
        let y = match self.layer {
            Layer::Convolution(layer) => {
                let geometry = below(layer, x.shape, &self.weight);
                let y = conv::down(
                    &geometry,
                    self.laid(&geometry, conv::lay_down),
                    weight,
                    x.values(),
                    &self.finish,
                );
                Map::from_buffer(y, geometry.small)
            }
            Layer::UpConvolution(layer) => {
                let geometry = above(layer.window, x.shape, &self.weight);
                let y =
                    conv::up(&geometry, self.laid(&geometry, conv::lay_up), weight, x.values(), &self.finish);
                Map::from_buffer(y, geometry.large)
            }
        };
        super::tensor(y.into_tensor())
    }

    /// The layout for maps of this size: one picture wants another than a batch.
    fn laid(&self, geometry: &Geometry, lay: fn(&Geometry, Route, &[f32]) -> conv::Laid) -> &conv::Laid {
        let route = geometry.prepared_route();
        let cell = match route {
            Route::Winograd => &self.winograd,
            Route::Direct => &self.direct,
            Route::Dense => return &conv::Laid::Dense,
        };
        cell.get_or_init(|| lay(geometry, route, slice(&self.weight)))
    }
}

/// The tensor without its gradients.
fn inner<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = if tensor.device().is_autodiff() { tensor.inner() } else { tensor };
    super::primitive(tensor).expect("a tensor on flex, as `form` found")
}

impl fmt::Debug for Laid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laid").field("layer", &self.layer).field("weight", &self.weight).finish()
    }
}
