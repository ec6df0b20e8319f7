//! Weights laid out once, for inference.

use std::{fmt, sync::OnceLock};

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    convolution::geometry,
    map::{Map, in_order, slice},
};
use crate::{
    Layer,
    kernel::{
        conv::{self, Geometry, Route},
        finish::Finish,
    },
};

/// Weights, and their layouts for the algorithms that have been asked for.
pub(crate) struct Laid {
    layer: Layer,
    weight: FlexTensor,
    finish: Finish,
    winograd: OnceLock<conv::Laid>,
    direct: OnceLock<conv::Laid>,
    dense: OnceLock<conv::Laid>,
}

impl Laid {
    pub(crate) fn new(layer: Layer, weight: Tensor<4>, affine: Option<(Tensor<1>, Tensor<1>)>) -> Self {
        let weight = in_order(&inner(weight));
        let affine = affine.map(|(scale, shift)| (in_order(&inner(scale)), in_order(&inner(shift))));
        let affine = affine.as_ref().map(|(scale, shift)| (slice(scale), slice(shift)));
        let finish = Finish::new(affine, layer.activation.slope());
        let [winograd, direct, dense] = [(); 3].map(|()| OnceLock::new());
        Self { layer, weight, finish, winograd, direct, dense }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = Map::new(inner(x));
        let geometry = geometry(self.layer, &x, &self.weight);
        let [_, result] = self.layer.way.sorted([geometry.large, geometry.small]);
        let y = conv::run(&geometry, self.laid(&geometry), slice(&self.weight), x.values(), &self.finish);
        super::tensor(Map::from_buffer(y, result).into_tensor())
    }

    /// The layout for maps of this size: one picture wants another than a batch.
    fn laid(&self, geometry: &Geometry) -> &conv::Laid {
        let route = geometry.prepared_route();
        let layout = match route {
            Route::Winograd => &self.winograd,
            Route::Direct => &self.direct,
            Route::Dense => &self.dense,
        };
        layout.get_or_init(|| conv::lay(geometry, self.layer.way, route, slice(&self.weight)))
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
