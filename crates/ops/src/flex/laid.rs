//! Weights laid out once, for inference.

use std::{fmt, sync::OnceLock};

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::map::{Map, from_buffer, in_order, slice};
use crate::{
    ConvKind, ConvLayer, Storage,
    kernel::{
        conv::{self, Geometry, Route},
        finish::Finish,
        matrix::Matrix,
    },
};

/// Weights, and their layouts for the algorithms that have been asked for.
pub(crate) struct Laid {
    layer: ConvLayer,
    dims: [usize; 4],
    /// For a kernel as large as the map, where weights have to be laid out for it.
    matrix: Option<Matrix>,
    /// As they were given; beside a matrix, only if they are asked for.
    weight: OnceLock<FlexTensor>,
    finish: Finish,
    winograd: OnceLock<conv::Laid>,
    direct: OnceLock<conv::Laid>,
    dense: OnceLock<conv::Laid>,
}

impl Laid {
    /// Weights that are to be used often.
    pub(crate) fn new(
        storage: Storage,
        layer: ConvLayer,
        weight: Tensor<4>,
        affine: Option<(Tensor<1>, Tensor<1>)>,
    ) -> Self {
        // The rows of a convolution's weights are in order as they are.
        if !layer.may_be_dense() || (layer.way, storage) == (ConvKind::Conv2d, Storage::F32) {
            return Self::as_given(layer, storage.rounded(weight), affine);
        }
        let mut laid = Self::as_given(layer, weight, affine);
        if let Some(weight) = laid.weight.take() {
            let [small, large, height, width] = laid.dims;
            let sizes = [small, large * height * width];
            laid.matrix = Some(Matrix::new(layer.way, storage, slice(&weight), sizes));
        }
        laid
    }

    /// Weights as they are.
    pub(crate) fn as_given(
        layer: ConvLayer,
        weight: Tensor<4>,
        affine: Option<(Tensor<1>, Tensor<1>)>,
    ) -> Self {
        let dims = weight.dims();
        let weight = OnceLock::from(in_order(&inner(weight)));
        let affine = affine.map(|(scale, shift)| (in_order(&inner(scale)), in_order(&inner(shift))));
        let affine = affine.as_ref().map(|(scale, shift)| (slice(scale), slice(shift)));
        let finish = Finish::new(affine, layer.activation.slope());
        let [winograd, direct, dense] = [(); 3].map(|()| OnceLock::new());
        Self { layer, dims, matrix: None, weight, finish, winograd, direct, dense }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = Map::new(inner(x));
        let way = self.layer.way;
        let geometry = Geometry::of(self.layer, x.shape, [self.dims[0], self.dims[1]]);
        let [_, result] = way.sorted([geometry.large, geometry.small]);
        let y = match &self.matrix {
            Some(matrix) if geometry.route() == Route::Dense => {
                conv::run_dense(&geometry, way, matrix.rows(), x.values(), &self.finish)
            }
            _ => conv::run(&geometry, self.laid(&geometry), self.weight(), x.values(), &self.finish),
        };
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
        layout.get_or_init(|| conv::lay(geometry, self.layer.way, route, self.weight()))
    }

    fn weight(&self) -> &[f32] {
        slice(self.weight.get_or_init(|| {
            let matrix = self.matrix.as_ref().expect("weights as they were given, or a matrix");
            from_buffer(matrix.weights(self.layer.way), self.dims)
        }))
    }
}

/// The tensor without its gradients.
fn inner<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = if tensor.device().is_autodiff() { tensor.inner() } else { tensor };
    super::primitive(tensor).expect("a tensor on flex, as `form` found")
}

impl fmt::Debug for Laid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laid")
            .field("layer", &self.layer)
            .field("weights", &self.dims)
            .finish_non_exhaustive()
    }
}
