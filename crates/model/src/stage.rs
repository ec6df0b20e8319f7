//! The two building blocks of every network here: one halves a picture, the other doubles it.

use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
    },
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, ConvGeometry, InferenceLayer};

use crate::{
    layer::{HALVING, LEAKY, Step},
    parts::Parts,
};

/// A convolution without bias; weights are zero until [`crate::init`] fills them.
pub(crate) fn conv(channels: [usize; 2], window: ConvGeometry, device: &Device) -> Conv2d {
    let ConvGeometry { kernel, stride, padding } = window;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_bias(false)
        .with_initializer(Initializer::Zeros)
        .init(device)
}

/// An up-convolution without bias; weights are zero until [`crate::init`] fills them.
pub(crate) fn up_conv(channels: [usize; 2], window: ConvGeometry, device: &Device) -> ConvTranspose2d {
    let ConvGeometry { kernel, stride, padding } = window;
    ConvTranspose2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding([padding, padding])
        .with_bias(false)
        .with_initializer(Initializer::Zeros)
        .init(device)
}

/// Batch norm with the field's usual constants (epsilon 1e-5, momentum 0.1).
pub(crate) fn batch_norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

/// Halves height and width: 4x4 convolution of stride 2, batch norm (not in the first stage), leaky
/// rectifier.
#[derive(Module, Debug)]
pub(crate) struct DownStage {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

impl DownStage {
    /// A stage from `channels[0]` to `channels[1]`.
    pub(crate) fn new(channels: [usize; 2], normalised: bool, device: &Device) -> Self {
        Self {
            conv: conv(channels, HALVING, device),
            norm: normalised.then(|| batch_norm(channels[1], device)),
        }
    }

    /// `[batch, in, h, w]` to `[batch, out, h/2, w/2]`, each part normalised by its own statistics.
    pub(crate) fn forward(&self, x: Tensor<4>, parts: Parts) -> Tensor<4> {
        self.step().forward_parts(x, parts)
    }

    /// The stage for inference.
    pub(crate) fn prepare(&self) -> InferenceLayer {
        self.step().prepare()
    }

    fn step(&self) -> Step<'_, Conv2d> {
        Step::new(&self.conv, self.norm.as_ref(), HALVING, LEAKY)
    }
}

/// Doubles height and width: 4x4 up-convolution of stride 2, batch norm, rectifier.
#[derive(Module, Debug)]
pub(crate) struct UpStage {
    conv: ConvTranspose2d,
    norm: BatchNorm,
}

impl UpStage {
    /// A stage from `channels[0]` to `channels[1]`.
    pub(crate) fn new(channels: [usize; 2], device: &Device) -> Self {
        Self { conv: up_conv(channels, HALVING, device), norm: batch_norm(channels[1], device) }
    }

    /// `[batch, in, h, w]` to `[batch, out, 2h, 2w]`, each part normalised by its own statistics.
    pub(crate) fn forward(&self, x: Tensor<4>, parts: Parts) -> Tensor<4> {
        self.step().forward_parts(x, parts)
    }

    /// The stage for inference.
    pub(crate) fn prepare(&self) -> InferenceLayer {
        self.step().prepare()
    }

    fn step(&self) -> Step<'_, ConvTranspose2d> {
        Step::new(&self.conv, Some(&self.norm), HALVING, Activation::Relu)
    }
}

/// A chain of [`DownStage`]s from three colours inwards, as both encoder and discriminator have it:
/// the first without batch norm.
pub(crate) fn down_stages(channels: &[usize], device: &Device) -> Vec<DownStage> {
    let inputs = std::iter::once(3).chain(channels.iter().copied());
    inputs
        .zip(channels)
        .enumerate()
        .map(|(stage, (input, &output))| DownStage::new([input, output], stage > 0, device))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_halve_and_double() {
        let device = Device::flex();
        let x = Tensor::<4>::zeros([2, 3, 8, 12], &device);
        let down = DownStage::new([3, 5], true, &device).forward(x, Parts::ONE);
        assert_eq!(down.dims(), [2, 5, 4, 6]);
        assert_eq!(UpStage::new([5, 7], &device).forward(down, Parts::ONE).dims(), [2, 7, 8, 12]);
    }

    #[test]
    fn only_the_first_of_a_chain_goes_without_batch_norm() {
        let stages = down_stages(&[4, 8, 16], &Device::flex());
        let normalised: Vec<bool> = stages.iter().map(|stage| stage.norm.is_some()).collect();
        assert_eq!(normalised, [false, true, true]);
    }
}
