//! Weight initialisation of heads: drawn from an explicit random stream, the same on every device.

use burn::{
    module::Param,
    nn::{
        Initializer, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, TensorData, activation::relu},
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Keeps the streams of heads and encoders of the same seed apart.
const STREAM: u64 = 0x7261_6e73;

/// Units of fc6 and fc7 for one unit of the encoder's width: 4096 at width 64.
pub(crate) const HIDDEN_PER_WIDTH: usize = 64;

/// Standard deviation of He's initialisation before a ReLU, `sqrt(2 / inputs)`.
pub(crate) fn he(inputs: usize) -> f32 {
    (2.0 / inputs as f32).sqrt()
}

/// Samples by which heads are [initialised](crate::Head::data_dependent_init).
pub(crate) const INIT_SAMPLES: usize = 16;

/// A unit whose deviation is less than this part of its layer's largest is scaled as if it had that much.
const MIN_RELATIVE_DEVIATION: f32 = 1e-3;

/// A layer all of whose units have less stays as it is.
const MIN_LAYER_DEVIATION: f32 = 1e-5;

/// Up to so many samples, evenly spaced.
pub(crate) fn spread<S>(samples: &[S], count: usize) -> impl Iterator<Item = &S> {
    let count = count.min(samples.len());
    (0..count).map(move |number| &samples[number * samples.len() / count])
}

/// Shifts and scales every unit of a fully connected layer so that its outputs for these inputs have mean 0
/// and standard deviation 1; and those outputs behind their ReLU.
///
/// # Shapes
/// - `x`: `[samples, inputs]`
/// - output: `[samples, outputs]`
pub(crate) fn normalize_outputs(layer: &mut Linear, x: Tensor<2>) -> Tensor<2> {
    let outputs = layer.forward(x).detach();
    let (scale, shift) = standardization(outputs.clone());
    let value = layer.weight.val() * scale.clone();
    replace(&mut layer.weight, value);
    if let Some(bias) = &mut layer.bias {
        let value = bias.val() * scale.clone().squeeze_dim(0) + shift.clone().squeeze_dim(0);
        replace(bias, value);
    }
    relu(outputs * scale + shift)
}

/// Factor and summand, `[1, units]` both, that give each column mean 0 and standard deviation 1. Where every
/// column is constant, all stay as they are.
pub(crate) fn standardization(outputs: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let mean = outputs.clone().mean_dim(0); // [1, units]
    let deviation = (outputs - mean.clone()).square().mean_dim(0).sqrt(); // [1, units]
    let largest: f32 = deviation.clone().max().into_scalar();
    if !(MIN_LAYER_DEVIATION..f32::INFINITY).contains(&largest) {
        return (mean.ones_like(), mean.zeros_like());
    }
    let scale = deviation.clamp_min(largest * MIN_RELATIVE_DEVIATION).recip();
    (scale.clone(), (mean * scale).neg())
}

/// Another value of a parameter.
pub(crate) fn replace<const D: usize>(param: &mut Param<Tensor<D>>, value: Tensor<D>) {
    let id = param.id;
    *param = param.clone().transform_for_load(value.detach(), id);
}

/// Initialises layers one after the other from one random stream.
pub(crate) struct LayerInit<'a> {
    rng: ChaCha8Rng,
    device: &'a Device,
}

impl<'a> LayerInit<'a> {
    pub(crate) fn new(seed: u64, device: &'a Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        Self { rng, device }
    }

    /// Fully connected, weights from N(0, std^2), bias 0.
    pub(crate) fn linear(&mut self, [inputs, outputs]: [usize; 2], std: f32) -> Linear {
        let mut layer =
            LinearConfig::new(inputs, outputs).with_initializer(Initializer::Zeros).init(self.device);
        layer.weight = self.normal([inputs, outputs], std);
        layer
    }

    /// A convolution with "same" padding, weights from N(0, std^2), bias 0.
    pub(crate) fn conv(&mut self, [inputs, outputs]: [usize; 2], kernel: usize, std: f32) -> Conv2d {
        let padding = kernel / 2;
        let mut layer = Conv2dConfig::new([inputs, outputs], [kernel; 2])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        layer.weight = self.normal([outputs, inputs, kernel, kernel], std);
        layer
    }

    fn normal<const D: usize>(&mut self, shape: [usize; D], std: f32) -> Param<Tensor<D>> {
        let normal = StandardNormal.sample_iter(&mut self.rng);
        let values: Vec<f32> = normal.take(shape.iter().product()).map(|z: f32| std * z).collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_have_mean_zero_and_deviation_one() {
        let device = Device::flex().autodiff();
        let mut layer = LayerInit::new(3, &device).linear([5, 7], he(5));
        let x = Tensor::<2>::from_data(
            TensorData::new((0..200).map(|i| (i * i % 83) as f32).collect(), [40, 5]),
            &device,
        );
        let behind_relu = normalize_outputs(&mut layer, x.clone());
        let outputs = layer.forward(x);
        let difference: f32 = (relu(outputs.clone()) - behind_relu).abs().max().into_scalar();
        assert!(difference < 1e-4, "{difference}");
        let (scale, shift) = standardization(outputs.detach());
        let off: f32 = (scale - 1.0).abs().max().into_scalar();
        assert!(off < 1e-3 && shift.abs().max().into_scalar::<f32>() < 1e-3, "{off}");
        assert!(layer.weight.is_require_grad(), "still trained");
        let (scale, shift) = standardization(Tensor::full([16, 3], 0.736_452_1, &device));
        assert_eq!([scale.max().into_scalar::<f32>(), shift.max().into_scalar()], [1.0, 0.0]);
    }

    #[test]
    fn spread_samples_are_evenly_spaced() {
        let samples: Vec<usize> = (0..10).collect();
        assert_eq!(spread(&samples, 4).copied().collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(&samples[..2], 4).count(), 2);
        assert_eq!(spread(&samples[..0], 4).count(), 0);
    }
}
