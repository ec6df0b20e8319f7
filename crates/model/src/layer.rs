//! Convolution, batch norm and activation in one block: what every network here is made of.
//!
//! Parameters stay in Burn's layers, so that files keep their names; `context-encoder-ops` computes with
//! them.

use burn::{
    module::{Module, ModuleMapper, Param, RunningState},
    nn::{
        BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{
    self as ops, Activation, BatchStats, ConvGeometry, ConvLayer, InferenceLayer, Storage,
};

/// Leaky ReLU of encoder and discriminator, negative slope 0.2 (DCGAN; the paper's supplementary material).
pub(crate) const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// 4x4, stride 2, padding 1: halves a map, or doubles it as an up-convolution.
pub(crate) const HALVING: ConvGeometry = ConvGeometry::new(4, 2, 1);

/// 4x4 without padding: between a map of 4x4 and one position.
pub(crate) const WHOLE_MAP: ConvGeometry = ConvGeometry::new(4, 1, 0);

/// 1x1: mixes channels only.
pub(crate) const POINT: ConvGeometry = ConvGeometry::new(1, 1, 0);

/// A convolution; weights are zero until [`crate::init`] draws them.
pub(crate) fn conv_config(channels: [usize; 2], geometry: ConvGeometry) -> Conv2dConfig {
    let ConvGeometry { kernel, stride, padding } = geometry;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_initializer(Initializer::Zeros)
}

/// An up-convolution; weights are zero until [`crate::init`] draws them.
pub(crate) fn up_conv_config(channels: [usize; 2], geometry: ConvGeometry) -> ConvTranspose2dConfig {
    let ConvGeometry { kernel, stride, padding } = geometry;
    ConvTranspose2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding([padding, padding])
        .with_initializer(Initializer::Zeros)
}

/// A convolution without bias, for batch norm to follow.
pub(crate) fn conv(channels: [usize; 2], geometry: ConvGeometry, device: &Device) -> Conv2d {
    conv_config(channels, geometry).with_bias(false).init(device)
}

/// An up-convolution without bias, for batch norm to follow.
pub(crate) fn up_conv(channels: [usize; 2], geometry: ConvGeometry, device: &Device) -> ConvTranspose2d {
    up_conv_config(channels, geometry).with_bias(false).init(device)
}

/// Batch norm with PyTorch's defaults (epsilon 1e-5, momentum 0.1).
pub(crate) fn batch_norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

/// Makes a convolution compute what it and batch norm by its running statistics compute.
pub(crate) fn fold_batch_norm(conv: &mut Conv2d, norm: &BatchNorm) {
    let Some((scale, shift)) = affine(Some(norm), conv.bias.as_ref().map(Param::val)) else { return };
    let weight = conv.weight.val() * scale.reshape([-1, 1, 1, 1]);
    replace(&mut conv.weight, weight);
    match &mut conv.bias {
        Some(bias) => replace(bias, shift),
        None => conv.bias = Some(Param::from_tensor(shift)),
    }
}

/// As if loaded from a file: keeps the parameter's identity and that it is trained.
pub(crate) fn replace<const D: usize>(param: &mut Param<Tensor<D>>, value: Tensor<D>) {
    let id = param.id;
    *param = param.clone().transform_for_load(value.detach(), id);
}

/// How batch norm divides a tensor that holds several batches, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GhostBatches {
    /// Batches in the tensor; each updates the running statistics by itself, in order.
    pub(crate) batches: usize,
    /// Equal ghost batches of each batch, normalized each by its own statistics. They update the running
    /// statistics together, by their mean: as so many ranks of data-parallel training would.
    pub(crate) ghost_batches: usize,
}

impl GhostBatches {
    /// One batch, not divided.
    pub(crate) const ONE: Self = Self { batches: 1, ghost_batches: 1 };
}

/// Burn's layers that hold the parameters of a convolution.
pub(crate) trait ConvWeights {
    /// What is computed with the parameters.
    fn layer(&self, geometry: ConvGeometry, activation: Activation) -> ConvLayer;

    /// Weight and bias.
    fn parameters(&self) -> (Tensor<4>, Option<Tensor<1>>);
}

impl ConvWeights for Conv2d {
    fn layer(&self, geometry: ConvGeometry, activation: Activation) -> ConvLayer {
        ConvLayer::conv2d(geometry, self.groups, activation)
    }

    fn parameters(&self) -> (Tensor<4>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

impl ConvWeights for ConvTranspose2d {
    fn layer(&self, geometry: ConvGeometry, activation: Activation) -> ConvLayer {
        ConvLayer::conv_transpose2d(geometry, activation)
    }

    fn parameters(&self) -> (Tensor<4>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// A convolution, batch norm where there is one, activation.
pub(crate) struct ConvBlock<'a, C> {
    conv: &'a C,
    norm: Option<&'a BatchNorm>,
    geometry: ConvGeometry,
    activation: Activation,
}

impl<'a, C: ConvWeights> ConvBlock<'a, C> {
    pub(crate) fn new(
        conv: &'a C,
        norm: Option<&'a BatchNorm>,
        geometry: ConvGeometry,
        activation: Activation,
    ) -> Self {
        Self { conv, norm, geometry, activation: activation.unless_without_kinks() }
    }

    /// Without batch norm, or with a batch that is not divided.
    pub(crate) fn forward(self, x: Tensor<4>) -> Tensor<4> {
        self.forward_ghost_batches(x, GhostBatches::ONE)
    }

    pub(crate) fn forward_ghost_batches(self, x: Tensor<4>, division: GhostBatches) -> Tensor<4> {
        let Self { conv, norm, geometry, activation } = self;
        let (weight, bias) = conv.parameters();
        if !x.device().is_autodiff() {
            return conv.layer(geometry, activation).infer(x, weight, affine(norm, bias));
        }
        match norm {
            None => conv.layer(geometry, activation).forward(x, weight, bias),
            Some(norm) => {
                let x = conv.layer(geometry, Activation::Identity).forward(x, weight, bias);
                normalize(norm, activation, x, division)
            }
        }
    }

    /// For inference: weights packed in a storage, batch norm folded in.
    pub(crate) fn inference_layer(self, storage: Storage) -> InferenceLayer {
        let Self { conv, norm, geometry, activation } = self;
        let (weight, bias) = conv.parameters();
        InferenceLayer::with_storage(storage, conv.layer(geometry, activation), weight, affine(norm, bias))
    }
}

/// Batch norm and activation where gradients are recorded: by each ghost batch's statistics, or by the
/// running statistics where the layer is frozen.
fn normalize(norm: &BatchNorm, activation: Activation, x: Tensor<4>, division: GhostBatches) -> Tensor<4> {
    if !norm.training.is_enabled() {
        return activation.apply(norm.forward(ops::in_32_bits(x)));
    }
    let device = x.device();
    let GhostBatches { batches, ghost_batches } = division;
    let count = batches * ghost_batches;
    let batch_norm = ops::BatchNorm { ghost_batches: count, epsilon: norm.epsilon, activation };
    let (output, stats) = batch_norm.forward(x, norm.gamma.val(), norm.beta.val());
    for batch in stats.chunks(ghost_batches) {
        let BatchStats { mean, variance } = BatchStats::mean_of(batch);
        for (running, new) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
            let old = running.value().to_device(&device).inner();
            set_running(running, Tensor::from_inner(ops::blend(old, new.inner(), norm.momentum)));
        }
    }
    output
}

/// Sets a running statistic. `RunningState::update` would hold it back until the next one and divide it by
/// the number of threads, in two more launches.
fn set_running(running: &RunningState<Tensor<1>>, value: Tensor<1>) {
    struct Replace(Tensor<1>);

    impl ModuleMapper for Replace {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            Param::initialized(param.id, self.0.clone().reshape(param.lazy_shape()))
        }
    }

    // A clone shares the value.
    running.clone().map(&mut Replace(value));
}

/// Bias and batch norm by its running statistics as one scale and shift of every channel.
fn affine(norm: Option<&BatchNorm>, bias: Option<Tensor<1>>) -> Option<(Tensor<1>, Tensor<1>)> {
    let Some(norm) = norm else {
        return bias.map(|bias| (bias.ones_like(), bias));
    };
    let deviation = norm.running_var.value().add_scalar(norm.epsilon).sqrt();
    let scale = norm.gamma.val() / deviation;
    let mean = match bias {
        Some(bias) => norm.running_mean.value() - bias,
        None => norm.running_mean.value(),
    };
    let shift = norm.beta.val() - mean * scale.clone();
    Some((scale, shift))
}
