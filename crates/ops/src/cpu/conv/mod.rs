//! Convolutions and transposed convolutions: which algorithm computes one, chosen by its shapes, and its
//! gradients.

mod dense;
mod direct;
mod direct_weights;
mod winograd;
mod winograd_weights;

use std::{fmt, sync::OnceLock};

use burn::{backend::Flex, tensor::Tensor};
use burn_flex::FlexTensor;

use self::{
    dense::{DenseWeights, Sizes},
    direct::ChannelRange,
    direct_weights::Filters,
    winograd::Tiles,
};
use super::{
    buffer::Buffer,
    channel_stats::channel_sums,
    feature_map::{FeatureMap, Shape, Sink, Source, from_buffer, slice, tensor_1d},
    gemm::PackedMatrix,
    pointwise::{Epilogue, leaky_relu_backward},
    simd::SimdWidth,
    weight_matrix::WeightMatrix,
};
use crate::{
    autograd::{ForwardOutput, GradSink, Input, KernelBackend, Operation, apply},
    layer::{Activation, ConvGeometry, ConvKind, ConvLayer, Storage},
};

/// A layer's output, with gradients of input, weights and bias.
pub(crate) fn conv(layer: ConvLayer, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    // A layer without bias has one of no values.
    let bias = bias.map_or_else(|| Input::Value(from_buffer(Buffer::uncleared(0), [0])), Input::new);
    apply(layer, [Input::new(x), Input::new(weight), bias]).0
}

#[derive(Clone, Debug)]
pub(crate) struct SavedForBackward {
    x: FeatureMap,
    weight: FlexTensor,
    /// The output, where there is an activation.
    y: Option<FeatureMap>,
}

impl Operation<Flex, 3> for ConvLayer {
    type SavedForBackward = SavedForBackward;
    type Extra = ();

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> ForwardOutput<Flex, SavedForBackward, ()> {
        let x = FeatureMap::new(x);
        let (weight, bias) = (weight.to_contiguous(), bias.to_contiguous());
        let shapes = ConvShapes::of(*self, x.shape, weight.layout().shape());
        let bias = Some(slice(&bias)).filter(|bias| !bias.is_empty());
        let epilogue = Epilogue::with_bias(bias, self.activation.negative_slope());
        let packed = PackedFilters::new(&shapes, self.kind, shapes.algorithm(), slice(&weight));
        let y = packed.forward(&shapes, || slice(&weight), x.values(), &epilogue);
        let output = FeatureMap::from_buffer(y, shapes.output(self.kind));
        let y = (self.activation != Activation::Identity).then(|| output.clone());
        ForwardOutput { output: output.into_tensor(), saved: SavedForBackward { x, weight, y }, extra: () }
    }

    fn backward(&self, saved: SavedForBackward, dy: FlexTensor, grads: &mut GradSink<'_, Flex, 3>) {
        let mut dy = FeatureMap::new(dy);
        let SavedForBackward { x, weight, y } = saved;
        if let Some(y) = y {
            leaky_relu_backward(y.values(), self.activation.negative_slope(), dy.values_mut());
        }
        let shapes = ConvShapes::of(*self, x.shape, weight.layout().shape());
        grads.register(2, || tensor_1d(&channel_sums(dy.values(), dy.shape.channels)));
        grads.register(1, || {
            let [large, small] = self.kind.swap_if_transposed([&x, &dy]);
            let dw = weight_gradient(&shapes, large.values(), small.values());
            let ConvShapes { geometry, groups, large, small } = shapes;
            from_buffer(dw, [small.channels, large.channels / groups, geometry.kernel, geometry.kernel])
        });
        grads.register(0, || {
            let packed =
                PackedFilters::new(&shapes, self.kind.reversed(), shapes.algorithm(), slice(&weight));
            let dx = packed.forward(&shapes, || slice(&weight), dy.values(), &Epilogue::IDENTITY);
            FeatureMap::from_buffer(dx, x.shape).into_tensor()
        });
    }
}

/// A layer's weights for inference, packed for each algorithm when it is first used.
pub(crate) struct PackedWeights {
    layer: ConvLayer,
    dims: [usize; 4],
    /// As they were given; beside a packed matrix, only if they are asked for.
    weight: OnceLock<FlexTensor>,
    epilogue: Epilogue,
    winograd: OnceLock<PackedFilters>,
    direct: OnceLock<PackedFilters>,
    dense: OnceLock<PackedFilters>,
}

impl PackedWeights {
    /// Weights that are to be used often.
    pub(crate) fn new(
        storage: Storage,
        layer: ConvLayer,
        weight: Tensor<4>,
        affine: Option<(Tensor<1>, Tensor<1>)>,
    ) -> Self {
        // The rows of a convolution's weights are in order as they are.
        if !layer.may_be_dense() || (layer.kind, storage) == (ConvKind::Conv2d, Storage::F32) {
            return Self::unpacked(layer, storage.round(weight), affine);
        }
        let mut packed = Self::unpacked(layer, weight, affine);
        if let Some(weight) = packed.weight.take() {
            let [small, large, height, width] = packed.dims;
            let sizes = [small, large * height * width];
            let matrix = WeightMatrix::new(layer.kind, storage, slice(&weight), sizes);
            let layout = Layout::Dense(Some(matrix));
            packed.dense = OnceLock::from(PackedFilters { kind: layer.kind, layout });
        }
        packed
    }

    /// Weights as they are, for one use.
    pub(crate) fn unpacked(
        layer: ConvLayer,
        weight: Tensor<4>,
        affine: Option<(Tensor<1>, Tensor<1>)>,
    ) -> Self {
        let dims = weight.dims();
        let weight = OnceLock::from(without_autodiff(weight).to_contiguous());
        let affine = affine.map(|(scale, shift)| {
            (without_autodiff(scale).to_contiguous(), without_autodiff(shift).to_contiguous())
        });
        let affine = affine.as_ref().map(|(scale, shift)| (slice(scale), slice(shift)));
        let epilogue = Epilogue::new(affine, layer.activation.negative_slope());
        let [winograd, direct, dense] = [(); 3].map(|()| OnceLock::new());
        Self { layer, dims, weight, epilogue, winograd, direct, dense }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = FeatureMap::new(without_autodiff(x));
        let shapes = ConvShapes::of(self.layer, x.shape, &self.dims);
        let y = self.packed(&shapes).forward(&shapes, || self.weight(), x.values(), &self.epilogue);
        Flex::from_primitive(FeatureMap::from_buffer(y, shapes.output(self.layer.kind)).into_tensor())
    }

    /// Packed for maps of this size: one image wants another algorithm than a batch.
    fn packed(&self, shapes: &ConvShapes) -> &PackedFilters {
        let algorithm = shapes.inference_algorithm();
        let packed = match algorithm {
            Algorithm::Winograd => &self.winograd,
            Algorithm::Direct => &self.direct,
            Algorithm::Dense => &self.dense,
        };
        packed.get_or_init(|| PackedFilters::new(shapes, self.layer.kind, algorithm, self.weight()))
    }

    fn weight(&self) -> &[f32] {
        slice(self.weight.get_or_init(|| {
            let Some(PackedFilters { layout: Layout::Dense(Some(matrix)), .. }) = self.dense.get() else {
                unreachable!("weights as they were given, or a matrix")
            };
            from_buffer(matrix.weights(self.layer.kind), self.dims)
        }))
    }
}

fn without_autodiff<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    Flex::primitive(if tensor.device().is_autodiff() { tensor.inner() } else { tensor })
}

impl fmt::Debug for PackedWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedWeights")
            .field("layer", &self.layer)
            .field("weights", &self.dims)
            .finish_non_exhaustive()
    }
}

/// A pair of maps and the geometry between them: the small one is a convolution's output and a transposed
/// convolution's input. Weights are `[small, large / groups, kernel, kernel]`.
#[derive(Clone, Copy, Debug)]
struct ConvShapes {
    geometry: ConvGeometry,
    groups: usize,
    large: Shape,
    small: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// Minimal filtering, for 4x4 kernels of stride 2 between maps of many channels.
    Winograd,
    /// Patches times weights.
    Direct,
    /// A kernel as large as the map.
    Dense,
}

/// The geometry of [`Algorithm::Winograd`].
const WINOGRAD_GEOMETRY: ConvGeometry = ConvGeometry::new(4, 2, 1);

/// Tiles below which Winograd's larger weights cost more than its products save.
const MIN_WINOGRAD_TILES: usize = 24;

impl ConvShapes {
    /// The maps on both sides of a layer that takes `x`, by the first two sizes of its weights.
    fn of(layer: ConvLayer, x: Shape, weight: &[usize]) -> Self {
        let ConvLayer { kind, geometry, groups, .. } = layer;
        let (side, channels): (fn(ConvGeometry, usize) -> usize, usize) = match kind {
            ConvKind::Conv2d => (ConvGeometry::output_size, weight[0]),
            ConvKind::ConvTranspose2d => (ConvGeometry::transposed_output_size, weight[1] * groups),
        };
        let y = Shape { height: side(geometry, x.height), width: side(geometry, x.width), channels, ..x };
        let [large, small] = kind.swap_if_transposed([x, y]);
        Self { geometry, groups, large, small }
    }

    fn output(&self, kind: ConvKind) -> Shape {
        let [_, output] = kind.swap_if_transposed([self.large, self.small]);
        output
    }

    fn algorithm(&self) -> Algorithm {
        let Self { geometry, groups, large, small } = *self;
        if groups == 1
            && geometry.padding == 0
            && small.height == 1
            && small.width == 1
            && large.height == geometry.kernel
            && large.width == geometry.kernel
            && geometry.kernel > 1
        {
            return Algorithm::Dense;
        }
        let halves = large.height == 2 * small.height && large.width == 2 * small.width;
        let wide = small.channels.min(large.channels) >= SimdWidth::detect().lanes;
        let winograd = groups == 1 && geometry == WINOGRAD_GEOMETRY && halves && wide;
        if winograd { Algorithm::Winograd } else { Algorithm::Direct }
    }

    /// The algorithm where weights are packed once and used often.
    fn inference_algorithm(&self) -> Algorithm {
        match self.algorithm() {
            Algorithm::Winograd if Tiles::covering(self.small).all < MIN_WINOGRAD_TILES => Algorithm::Direct,
            algorithm => algorithm,
        }
    }

    /// Values of the weights.
    fn weights(&self) -> usize {
        self.small.channels * (self.large.channels / self.groups) * self.geometry.taps()
    }

    fn sizes(&self) -> Sizes {
        Sizes { batch: self.small.batch, small: self.small.channels, large: self.large }
    }

    /// Channels of a group in both maps, and where its weights lie.
    fn group(&self, index: usize) -> ChannelGroup {
        let range = |channels: usize| {
            let count = channels / self.groups;
            ChannelRange { first: index * count, count }
        };
        let (small, large) = (range(self.small.channels), range(self.large.channels));
        let size = small.count * large.count * self.geometry.taps();
        ChannelGroup { small, large, weights: index * size..(index + 1) * size }
    }
}

struct ChannelGroup {
    small: ChannelRange,
    large: ChannelRange,
    weights: std::ops::Range<usize>,
}

/// Weights as an algorithm wants them, for one kind of convolution.
struct PackedFilters {
    kind: ConvKind,
    layout: Layout,
}

enum Layout {
    Winograd(Vec<PackedMatrix>),
    /// One for each group.
    Direct(Vec<PackedMatrix>),
    /// As they are, unless the kind of convolution needs them transposed or the storage is smaller.
    Dense(Option<WeightMatrix>),
}

impl PackedFilters {
    fn new(shapes: &ConvShapes, kind: ConvKind, algorithm: Algorithm, weights: &[f32]) -> Self {
        let groups = (0..shapes.groups).map(|index| {
            let ChannelGroup { small, large, weights: range } = shapes.group(index);
            let channels = [small.count, large.count];
            Filters { values: &weights[range], channels, geometry: shapes.geometry }
        });
        let layout = match algorithm {
            Algorithm::Winograd => {
                Layout::Winograd(groups.flat_map(|filters| winograd_weights::pack(kind, filters)).collect())
            }
            Algorithm::Direct => {
                Layout::Direct(groups.map(|filters| direct_weights::pack(kind, filters)).collect())
            }
            Algorithm::Dense => Layout::Dense(None),
        };
        Self { kind, layout }
    }

    /// From one map to the other; `weights` are those that were packed.
    fn forward<'w>(
        &self,
        shapes: &ConvShapes,
        weights: impl FnOnce() -> &'w [f32],
        from: &[f32],
        epilogue: &Epilogue,
    ) -> Buffer {
        let kind = self.kind;
        let [from_shape, to_shape] = kind.swap_if_transposed([shapes.large, shapes.small]);
        let source = Source::new(from, from_shape);
        let mut output = Buffer::uncleared(to_shape.size());
        match &self.layout {
            Layout::Winograd(packed) => {
                winograd::forward(kind, source, packed, Sink::new(&mut output, to_shape), epilogue);
            }
            Layout::Direct(packed) => {
                for (index, packed) in packed.iter().enumerate() {
                    let group = shapes.group(index);
                    let [from, to] = kind.swap_if_transposed([group.large, group.small]);
                    let sink = Sink::new(&mut output, to_shape);
                    let epilogue = epilogue.channels(to.first, to.count);
                    direct::forward(kind, (source, from), shapes.geometry, packed, (sink, to), &epilogue);
                }
            }
            Layout::Dense(matrix) => {
                let weights = match matrix {
                    Some(matrix) => DenseWeights::Packed(matrix.rows()),
                    None => DenseWeights::Unpacked(weights()),
                };
                dense::forward(kind, shapes.sizes(), weights, from, &mut output);
                epilogue.apply_all(&mut output, to_shape.channels);
            }
        }
        output
    }
}

/// The gradient of the weights, from the large map and the gradient of the small one or the other way round:
/// it is the same sum.
fn weight_gradient(shapes: &ConvShapes, large: &[f32], small: &[f32]) -> Buffer {
    let (from, to) = (Source::new(large, shapes.large), Source::new(small, shapes.small));
    match shapes.algorithm() {
        Algorithm::Winograd => {
            let mut gradient = Buffer::uncleared(shapes.weights());
            winograd::weight_gradient(from, to, &mut gradient);
            gradient
        }
        Algorithm::Direct => {
            let mut gradient = Buffer::uncleared(shapes.weights());
            for index in 0..shapes.groups {
                let ChannelGroup { small, large, weights } = shapes.group(index);
                direct::weight_gradient((from, large), (to, small), shapes.geometry, &mut gradient[weights]);
            }
            gradient
        }
        Algorithm::Dense => dense::weight_gradient(shapes.sizes(), large, small),
    }
}
