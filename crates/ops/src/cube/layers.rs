//! Layers on graphics devices, with their gradients.

use burn::{
    backend::{Cube, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::{DType, Tensor},
};

use super::{backend::Kernels, batch_norm::Normalization, local_response_norm::ResponseNorm};
use crate::{
    autograd::{ForwardOutput, GradSink, Input, KernelBackend, Operation, apply, constant_like, untracked},
    layer::{AdamConstants, ConvGeometry, ConvKind, ConvLayer},
};

type Primitive = FloatTensor<Cube>;

/// A convolution or transposed convolution with its activation, without bias: its products in one type, its
/// result in another.
pub(crate) fn conv(
    layer: ConvLayer,
    x: Tensor<4>,
    weight: Tensor<4>,
    [compute, output]: [DType; 2],
) -> Tensor<4> {
    let [batch, _, height, width] = x.dims();
    let convolution = Convolution {
        kind: layer.kind,
        geometry: layer.geometry,
        negative_slope: layer.activation.negative_slope(),
        input: [batch, height, width],
        compute,
        maps: [x.dtype(), output],
    };
    apply::<Cube, _, 2, 4>(convolution, [Input::new(x), Input::new(weight)]).0
}

#[derive(Debug)]
struct Convolution {
    kind: ConvKind,
    geometry: ConvGeometry,
    /// The activation is `max(x, negative_slope x)`.
    negative_slope: f32,
    /// Batch, height and width.
    input: [usize; 3],
    /// What products are computed in.
    compute: DType,
    /// Types of the input and the output.
    maps: [DType; 2],
}

impl Operation<Cube, 2> for Convolution {
    /// The input, the weights as a matrix, and the output if it has an activation.
    type SavedForBackward = (Primitive, Primitive, Option<Primitive>);
    type Extra = ();

    fn forward(&self, [x, weight]: [Primitive; 2]) -> ForwardOutput<Cube, Self::SavedForBackward, ()> {
        let Self { kind, geometry, negative_slope, compute, input: [batch, height, width], maps: [_, map] } =
            *self;
        let matrix = Cube::weight_matrix(weight, compute);
        let output = match kind {
            ConvKind::Conv2d => Cube::small_map(x.clone(), matrix.clone(), geometry, negative_slope, map),
            ConvKind::ConvTranspose2d => {
                let [height, width] = [height, width].map(|side| geometry.transposed_output_size(side));
                let extents = [batch, height, width];
                Cube::large_map(x.clone(), matrix.clone(), geometry, extents, negative_slope, map)
            }
        };
        let activated = (negative_slope != 1.0).then(|| output.clone());
        ForwardOutput { output, saved: (x, matrix, activated), extra: () }
    }

    fn backward(
        &self,
        (x, matrix, activated): Self::SavedForBackward,
        dy: Primitive,
        grads: &mut GradSink<'_, Cube, 2>,
    ) {
        let Self { kind, geometry, negative_slope, compute, input, maps: [map, _] } = *self;
        let dy = match activated {
            // Of a layer that sees pictures only the weights have a gradient, which reads what it needs of
            // the activation itself.
            Some(y) if kind == ConvKind::Conv2d && !grads.is_tracked(0) => {
                grads.register(1, || {
                    Cube::activated_weight_gradient(x, dy, y, geometry, compute, negative_slope)
                });
                return;
            }
            Some(y) => Cube::leaky_relu_backward(y, dy, negative_slope),
            None => dy,
        };
        match kind {
            ConvKind::Conv2d => {
                grads.register(0, || Cube::large_map(dy.clone(), matrix, geometry, input, 1.0, map));
                grads.register(1, || Cube::weight_gradient(x, dy, geometry, compute));
            }
            ConvKind::ConvTranspose2d => {
                grads.register(0, || Cube::small_map(dy.clone(), matrix, geometry, 1.0, map));
                grads.register(1, || Cube::weight_gradient(dy, x, geometry, compute));
            }
        }
    }
}

/// A layer's weights as the matrix that it is computed with, and its bias: for inference.
#[derive(Clone, Debug)]
pub(crate) struct InferenceWeights {
    layer: ConvLayer,
    matrix: Tensor<2>,
    bias: Tensor<1>,
}

impl InferenceWeights {
    pub(crate) fn new(layer: ConvLayer, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Self {
        let channels = weight.dims()[layer.output_channel_axis()];
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels], &weight.device()));
        let matrix = Cube::from_primitive(Cube::weight_matrix(Cube::primitive(weight), DType::F32));
        Self { layer, matrix, bias }
    }

    /// In 32 bits, for a tensor without autodiff.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let ConvLayer { kind, geometry, activation, .. } = self.layer;
        let [batch, _, height, width] = x.dims();
        let [x, bias] = [Cube::primitive(x), Cube::primitive(self.bias.clone())];
        let matrix = Cube::primitive(self.matrix.clone());
        let slope = activation.negative_slope();
        Cube::from_primitive(match kind {
            ConvKind::Conv2d => Cube::small_map_with_bias(x, matrix, bias, geometry, slope),
            ConvKind::ConvTranspose2d => {
                let [height, width] = [height, width].map(|side| geometry.transposed_output_size(side));
                Cube::large_map_with_bias(x, matrix, bias, geometry, [batch, height, width], slope)
            }
        })
    }
}

/// Products of matrices, batch by batch.
pub(crate) fn matmul(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    apply::<Cube, _, 2, 3>(Product, [Input::new(a), Input::new(b)]).0
}

#[derive(Debug)]
struct Product;

impl Operation<Cube, 2> for Product {
    /// Both factors.
    type SavedForBackward = [Primitive; 2];
    type Extra = ();

    fn forward(&self, [a, b]: [Primitive; 2]) -> ForwardOutput<Cube, [Primitive; 2], ()> {
        ForwardOutput { output: Cube::product(a.clone(), b.clone()), saved: [a, b], extra: () }
    }

    fn backward(&self, [a, b]: [Primitive; 2], dy: Primitive, grads: &mut GradSink<'_, Cube, 2>) {
        grads.register(0, || Cube::product(dy.clone(), Cube::float_transpose(b)));
        grads.register(1, || Cube::product(Cube::float_transpose(a), dy));
    }
}

/// Images with their hidden part in one color; nothing where a gradient of images or masks is tracked.
pub(crate) fn apply_mask(images: &Tensor<4>, masks: &Tensor<4>, color: [f32; 3]) -> Option<Tensor<4>> {
    let [x, hidden] = [images, masks].map(|tensor| untracked::<Cube, 4>(tensor.clone()));
    Some(constant_like::<Cube, 4, 4>(images, Cube::apply_mask(x?, hidden?, color)))
}

/// `max(x, negative_slope x)`.
pub(crate) fn leaky_relu(x: Tensor<4>, negative_slope: f32) -> Tensor<4> {
    apply::<Cube, _, 1, 4>(LeakyRelu(negative_slope), [Input::new(x)]).0
}

#[derive(Debug)]
struct LeakyRelu(f32);

impl Operation<Cube, 1> for LeakyRelu {
    /// The output.
    type SavedForBackward = Primitive;
    type Extra = ();

    fn forward(&self, [x]: [Primitive; 1]) -> ForwardOutput<Cube, Primitive, ()> {
        let output = Cube::leaky_relu(x, self.0);
        ForwardOutput { saved: output.clone(), output, extra: () }
    }

    fn backward(&self, y: Primitive, dy: Primitive, grads: &mut GradSink<'_, Cube, 1>) {
        grads.register(0, || Cube::leaky_relu_backward(y, dy, self.0));
    }
}

/// Batch norm over each of the ghost batches, then the activation: the result, and mean and variance of each
/// ghost batch.
pub(crate) fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    ghost_batches: usize,
    epsilon: f32,
    negative_slope: f32,
) -> (Tensor<4>, Vec<[Tensor<1>; 2]>) {
    let [_, channels, _, _] = x.dims();
    let norm = BatchNorm(Normalization { ghost_batches, epsilon, negative_slope });
    let inputs = [Input::new(x), Input::new(gamma), Input::new(beta)];
    let (output, statistics) = apply::<Cube, _, 3, 4>(norm, inputs);
    let [mean, variance] = statistics.map(|values| constant_like::<Cube, 4, 2>(&output, values));
    let of = |values: &Tensor<2>, ghost: usize| {
        let values =
            if ghost_batches == 1 { values.clone() } else { values.clone().slice([ghost..ghost + 1]) };
        values.reshape([channels])
    };
    let statistics = (0..ghost_batches).map(|ghost| [of(&mean, ghost), of(&variance, ghost)]).collect();
    (output, statistics)
}

#[derive(Debug)]
struct BatchNorm(Normalization);

impl Operation<Cube, 3> for BatchNorm {
    /// Inputs, mean and variance.
    type SavedForBackward = [Primitive; 5];
    /// Mean and variance.
    type Extra = [Primitive; 2];

    fn forward(
        &self,
        [x, gamma, beta]: [Primitive; 3],
    ) -> ForwardOutput<Cube, [Primitive; 5], [Primitive; 2]> {
        let (output, mean, variance) = Cube::batch_norm(x.clone(), gamma.clone(), beta.clone(), self.0);
        let extra = [mean.clone(), variance.clone()];
        ForwardOutput { output, saved: [x, gamma, beta, mean, variance], extra }
    }

    fn backward(
        &self,
        [x, gamma, beta, mean, variance]: [Primitive; 5],
        dy: Primitive,
        grads: &mut GradSink<'_, Cube, 3>,
    ) {
        let (dx, d_gamma, d_beta) = Cube::batch_norm_backward(x, dy, gamma, beta, mean, variance, self.0);
        grads.register(0, || dx);
        grads.register(1, || d_gamma);
        grads.register(2, || d_beta);
    }
}

/// `x (k + scale sum x^2)^(-3/4)`, the sum over `size` neighboring channels.
pub(crate) fn local_response_norm(x: Tensor<4>, size: usize, scale: f32, k: f32) -> Tensor<4> {
    let norm = LocalResponseNorm(ResponseNorm { size, scale, k });
    apply::<Cube, _, 1, 4>(norm, [Input::new(x)]).0
}

#[derive(Debug)]
struct LocalResponseNorm(ResponseNorm);

impl Operation<Cube, 1> for LocalResponseNorm {
    /// The input, and the bases of the powers.
    type SavedForBackward = [Primitive; 2];
    type Extra = ();

    fn forward(&self, [x]: [Primitive; 1]) -> ForwardOutput<Cube, [Primitive; 2], ()> {
        let (output, bases) = Cube::local_response_norm(x.clone(), self.0);
        ForwardOutput { output, saved: [x, bases], extra: () }
    }

    fn backward(&self, [x, bases]: [Primitive; 2], dy: Primitive, grads: &mut GradSink<'_, Cube, 1>) {
        grads.register(0, || Cube::local_response_norm_backward(x, bases, dy, self.0));
    }
}

/// Bilinear interpolation to squares of `side`.
pub(crate) fn resize(x: Tensor<4>, side: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    apply::<Cube, _, 1, 4>(Resize { from: [height, width], side }, [Input::new(x)]).0
}

#[derive(Debug)]
struct Resize {
    /// Height and width.
    from: [usize; 2],
    side: usize,
}

impl Operation<Cube, 1> for Resize {
    type SavedForBackward = ();
    type Extra = ();

    fn forward(&self, [x]: [Primitive; 1]) -> ForwardOutput<Cube, (), ()> {
        ForwardOutput { output: Cube::resize(x, self.side), saved: (), extra: () }
    }

    fn backward(&self, (): (), dy: Primitive, grads: &mut GradSink<'_, Cube, 1>) {
        grads.register(0, || Cube::resize_backward(dy, self.from));
    }
}

/// Weights and both moments after a step. For tensors without autodiff.
pub(crate) fn adam<const D: usize>(
    constants: AdamConstants,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [first, second] = moments.map(Cube::primitive);
    let (weights, first, second) =
        Cube::adam_step(Cube::primitive(weights), Cube::primitive(gradient), first, second, constants);
    (Cube::from_primitive(weights), [first, second].map(Cube::from_primitive))
}

/// The same with the learning rate and epsilon, times their corrections, on the device.
pub(crate) fn recorded_adam<const D: usize>(
    betas: [f32; 2],
    rates: Tensor<1>,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [first, second] = moments.map(Cube::primitive);
    let (weights, first, second) = Cube::recorded_adam_step(
        Cube::primitive(weights),
        Cube::primitive(gradient),
        first,
        second,
        Cube::primitive(rates),
        betas,
    );
    (Cube::from_primitive(weights), [first, second].map(Cube::from_primitive))
}

/// `(1 - weight) target + weight value`. For tensors without autodiff.
pub(crate) fn blend<const D: usize>(
    target: Tensor<D>,
    value: Tensor<D>,
    weight: f64,
    in_place: bool,
) -> Tensor<D> {
    Cube::from_primitive(Cube::blend(Cube::primitive(target), Cube::primitive(value), weight, in_place))
}

/// A copy in memory of its own, row by row without padding. For tensors without autodiff.
pub(crate) fn copy<const D: usize>(value: Tensor<D>) -> Tensor<D> {
    Cube::from_primitive(Cube::copy(Cube::primitive(value)))
}
