//! A linear layer, its batch norm and its activation: what every stage of every network is made of.
//!
//! Parameters stay in Burn's layers, so that files keep their names; what is computed with them is
//! `context-encoder-ops`' business.

use burn::{
    module::Param,
    nn::{
        BatchNorm,
        conv::{Conv2d, ConvTranspose2d},
    },
    tensor::Tensor,
};
use context_encoder_ops::{
    self as ops, Activation, BatchStats, ConvGeometry, ConvLayer, InferenceLayer, Storage,
};

use crate::parts::Parts;

/// Slope of the leaky rectifier below zero, in encoder and discriminator (DCGAN; the paper's
/// supplementary material).
pub(crate) const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// Halves a map, or doubles it as an up-convolution.
pub(crate) const HALVING: ConvGeometry = ConvGeometry::new(4, 2, 1);

/// Between a map of 4x4 and one position.
pub(crate) const WHOLE_MAP: ConvGeometry = ConvGeometry::new(4, 1, 0);

/// Mixes channels only.
pub(crate) const POINT: ConvGeometry = ConvGeometry::new(1, 1, 0);

/// Burn's layers that hold a linear map's parameters.
pub(crate) trait Linear {
    /// What is computed with the parameters.
    fn layer(&self, window: ConvGeometry, activation: Activation) -> ConvLayer;

    fn parameters(&self) -> (Tensor<4>, Option<Tensor<1>>);
}

impl Linear for Conv2d {
    fn layer(&self, window: ConvGeometry, activation: Activation) -> ConvLayer {
        ops::Conv2d { window, groups: self.groups, activation }.into()
    }

    fn parameters(&self) -> (Tensor<4>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

impl Linear for ConvTranspose2d {
    fn layer(&self, window: ConvGeometry, activation: Activation) -> ConvLayer {
        ops::ConvTranspose2d { window, activation }.into()
    }

    fn parameters(&self) -> (Tensor<4>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// A linear layer, batch norm where there is one, activation.
pub(crate) struct Step<'a, L> {
    linear: &'a L,
    norm: Option<&'a BatchNorm>,
    window: ConvGeometry,
    activation: Activation,
}

impl<'a, L: Linear> Step<'a, L> {
    pub(crate) fn new(
        linear: &'a L,
        norm: Option<&'a BatchNorm>,
        window: ConvGeometry,
        activation: Activation,
    ) -> Self {
        Self { linear, norm, window, activation }
    }

    pub(crate) fn forward(self, x: Tensor<4>) -> Tensor<4> {
        self.forward_parts(x, Parts::ONE)
    }

    /// Equal parts of a batch, each normalised by its own statistics as if it came by itself.
    pub(crate) fn forward_parts(self, x: Tensor<4>, parts: Parts) -> Tensor<4> {
        let Self { linear, norm, window, activation } = self;
        let (weight, bias) = linear.parameters();
        if !x.device().is_autodiff() {
            return linear.layer(window, activation).infer(x, weight, affine(norm, bias));
        }
        match norm {
            None => linear.layer(window, activation).forward(x, weight, bias),
            Some(norm) => {
                let x = linear.layer(window, Activation::Identity).forward(x, weight, bias);
                normalised(norm, activation, x, parts)
            }
        }
    }

    /// For inference: weights laid out, batch norm folded in.
    pub(crate) fn prepare(self) -> InferenceLayer {
        self.prepare_with(Storage::F32)
    }

    /// The same with weights in a storage.
    pub(crate) fn prepare_with(self, storage: Storage) -> InferenceLayer {
        let Self { linear, norm, window, activation } = self;
        let (weight, bias) = linear.parameters();
        InferenceLayer::stored(storage, linear.layer(window, activation), weight, affine(norm, bias))
    }
}

/// Batch norm and activation where gradients are recorded: by each part's statistics, which enter
/// the running ones batch by batch; by the running ones where the layer is frozen.
fn normalised(norm: &BatchNorm, activation: Activation, x: Tensor<4>, parts: Parts) -> Tensor<4> {
    if !norm.training.is_enabled() {
        return activation.apply(norm.forward(x));
    }
    let device = x.device();
    let normalisation = ops::BatchNorm { parts: parts.count(), epsilon: norm.epsilon, activation };
    let result = normalisation.forward(x, norm.gamma.val(), norm.beta.val());
    for batch in result.statistics.chunks(parts.shares) {
        let BatchStats { mean, variance } = BatchStats::mean_of(batch);
        for (running, new) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
            let old = running.value_sync().to_device(&device);
            let moved = old.mul_scalar(1.0 - norm.momentum) + new.mul_scalar(norm.momentum);
            running.update(moved.detach());
        }
    }
    result.output
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
