//! The discriminator, which tells true patches from predictions.

use burn::{
    module::Module,
    nn::conv::Conv2d,
    tensor::{Device, Tensor},
};
use context_encoder_ops::{Activation, in_32_bits};

use crate::{
    config::{ModelConfig, channels},
    encoder::{DownStage, down_stages},
    error::ModelError,
    init::init_dcgan,
    layer::{ConvBlock, GhostBatches, WHOLE_MAP, conv},
};

/// Scores patches: one logit each, positive for "real" (paper, section 3.2 "Adversarial loss").
///
/// Convolutions 3-64-128-256-512 at side 64, one more 64-64 stage per doubling of the side, then a 4x4
/// convolution to one logit. There is no sigmoid: losses work on logits, which stay stable where
/// probabilities saturate.
///
/// With [`conditional`](ModelConfig::conditional) it sees the context too: context and patch go through a
/// first convolution each, whose maps stand side by side from there on (the authors' code).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::{Discriminator, ModelConfig, parameter_count};
///
/// let device = Device::flex();
/// let discriminator = Discriminator::new(&ModelConfig::default(), 0, &device)?;
/// assert_eq!(parameter_count(&discriminator), 2_765_568);
/// assert_eq!(discriminator.forward(Tensor::zeros([2, 3, 64, 64], &device)).dims(), [2]);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct Discriminator {
    stages: Vec<DownStage>,
    to_logit: Conv2d,
}

/// Keeps the discriminator's random stream apart from the generator's of the same seed.
const STREAM: u64 = 1;

impl Discriminator {
    /// The discriminator that belongs to a model of this configuration: it sees the whole prediction. Weights
    /// are drawn from `seed`, the same on every device.
    ///
    /// # Errors
    /// [`ModelError::Config`] when the configuration is not one that can be built.
    pub fn new(config: &ModelConfig, seed: u64, device: &Device) -> Result<Self, ModelError> {
        config.validate()?;
        let stages = if config.conditional {
            let mut channels = channels(config.encoder_stages(), config.width);
            channels.iter_mut().take(1).for_each(|first| *first *= 2);
            down_stages([6, 2], &channels, device)
        } else {
            down_stages([3, 1], &channels(config.decoder_stages(), config.width), device)
        };
        let discriminator =
            Self { stages, to_logit: conv([config.bottleneck_channels(), 1], WHOLE_MAP, device) };
        Ok(init_dcgan(discriminator, seed, STREAM))
    }

    /// # Shapes
    /// - input: as [`ModelConfig::discriminator_input`] returns it: `[batch, 3, predicted, predicted]` in
    ///   `[-1, 1]`, or `[batch, 6, size, size]` with the context
    /// - output: `[batch]` logits
    pub fn forward(&self, patches: Tensor<4>) -> Tensor<1> {
        self.forward_ghost_batches(patches, 1)
    }

    /// The same in training with the batch in equal ghost batches, each normalized by its own statistics, as
    /// by so many ranks of data-parallel training.
    ///
    /// Shapes as for [`forward`](Self::forward).
    ///
    /// # Panics
    /// When the batch cannot be divided so.
    pub fn forward_ghost_batches(&self, patches: Tensor<4>, ghost_batches: usize) -> Tensor<1> {
        self.logits(patches, GhostBatches { batches: 1, ghost_batches })
    }

    /// Logits of several batches of one size in one pass, each batch in `ghost_batches` as in
    /// [`forward_ghost_batches`](Self::forward_ghost_batches).
    ///
    /// The logits, all gradients and the running statistics are those of one forward pass after the other, in
    /// order, but for the order of sums: each batch is normalized by its own statistics. Weights are read
    /// once.
    ///
    /// # Shapes
    /// - inputs: each as for [`forward`](Self::forward)
    /// - outputs: each `[batch]` logits
    ///
    /// # Panics
    /// When the batches differ in size, or cannot be divided.
    pub fn forward_each<const N: usize>(
        &self,
        batches: [Tensor<4>; N],
        ghost_batches: usize,
    ) -> [Tensor<1>; N] {
        const { assert!(N > 0, "at least one batch") };
        let dims = batches[0].dims();
        assert!(
            batches.iter().all(|batch| batch.dims() == dims),
            "batches of different shapes: {:?}",
            batches.each_ref().map(Tensor::dims)
        );
        let [batch, _, _, _] = dims;
        let logits = self.logits(Tensor::cat(batches.into(), 0), GhostBatches { batches: N, ghost_batches }); // [N batch]
        std::array::from_fn(|part| logits.clone().narrow(0, part * batch, batch))
    }

    fn logits(&self, patches: Tensor<4>, division: GhostBatches) -> Tensor<1> {
        let stages = self.stages.iter();
        let features = stages.fold(patches, |x, stage| stage.block().forward_ghost_batches(x, division)); // [batch, 8 width, 4, 4]
        let to_logit = ConvBlock::new(&self.to_logit, None, WHOLE_MAP, Activation::Identity);
        let logits = in_32_bits(to_logit.forward(features)); // [batch, 1, 1, 1]
        let [batch, _, _, _] = logits.dims();
        logits.reshape([batch])
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{ModuleVisitor, Param},
        tensor::{Gradients, TensorData, module::conv2d, ops::ConvOptions},
    };

    use super::*;
    use crate::{Prediction, layer::LEAKY};

    /// Rounding of what is computed forwards, and of gradients four layers back: sums of thousands of
    /// products in another order.
    const FORWARDS: f32 = 1e-6;
    const BACKWARDS: f32 = 5e-6;

    /// Every gradient and every running statistic of a network, and how far they may be off.
    struct Collected<'a> {
        gradients: &'a Gradients,
        values: Vec<(f32, Vec<f32>)>,
    }

    impl ModuleVisitor for Collected<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            let (limit, value) = match tensor.grad(self.gradients) {
                Some(gradient) => (BACKWARDS, gradient.into_data()),
                None => (FORWARDS, tensor.into_data()), // a running statistic
            };
            self.values.push((limit, value.try_to_vec().expect("f32")));
        }
    }

    fn patches(device: &Device, shift: usize) -> Tensor<4> {
        let values = (0..3 * 3 * 32 * 32).map(|i| ((i * 37 + shift) % 101) as f32 / 50.5 - 1.0).collect();
        Tensor::from_data(TensorData::new(values, [3, 3, 32, 32]), device)
    }

    #[test]
    fn batches_in_one_pass_equal_one_after_the_other() {
        let device = Device::flex().autodiff();
        let config = ModelConfig::default().with_size(64).with_width(8);
        let batches = || [patches(&device, 3), patches(&device, 50) * 0.3 + 0.1];
        let collect = |forward: &dyn Fn(&Discriminator) -> [Tensor<1>; 2]| {
            let discriminator = Discriminator::new(&config, 5, &device).expect("valid");
            let [real, fake] = forward(&discriminator);
            // Another gradient for each logit.
            let loss = (real.clone() * real.clone()).sum() - (fake.clone() * 0.3 + 1.0).square().sum();
            let gradients = loss.backward();
            let mut collected = Collected { gradients: &gradients, values: Vec::new() };
            discriminator.visit(&mut collected);
            for logits in [real, fake] {
                collected.values.push((FORWARDS, logits.into_data().try_to_vec().expect("f32")));
            }
            collected.values
        };
        let together = collect(&|discriminator| discriminator.forward_each(batches(), 1));
        let separately = collect(&|discriminator| batches().map(|batch| discriminator.forward(batch)));
        // 4 convolutions, 2 batch norms of 4 vectors, 2 vectors of logits.
        assert_eq!((together.len(), separately.len()), (14, 14));
        for (index, ((limit, together), (_, separately))) in together.iter().zip(&separately).enumerate() {
            let largest = separately.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
            for (a, b) in together.iter().zip(separately) {
                assert!((a - b).abs() <= limit * largest, "{index}: {a} is not {b}, of {largest}");
            }
        }
    }

    #[test]
    fn context_and_patch_go_through_a_first_convolution_each() {
        let device = Device::flex();
        let config = ModelConfig::default().with_size(64).with_width(4).with_conditional(true);
        let discriminator = Discriminator::new(&config, 3, &device).expect("valid");
        let context = Tensor::<4>::full([3, 3, 64, 64], 0.5, &device);
        let input = config.discriminator_input(patches(&device, 0), || context.clone());
        assert_eq!(input.dims(), [3, 6, 64, 64]);
        // The patch lies in the centre, zero around it.
        let placed = input.clone().narrow(1, 3, 3);
        let centre = placed.clone().slice([0..3, 0..3, 16..48, 16..48]);
        let [apart, all, inside] =
            [(centre.clone() - patches(&device, 0)).abs(), placed.clone().abs(), centre.abs()]
                .map(|x| x.sum().into_scalar::<f32>());
        assert!(apart == 0.0 && (all - inside).abs() < 1e-6 * all, "{apart}, {all}, {inside}");

        let stage = &discriminator.stages[0];
        let weight = stage.weight(); // [2 width, 3, 4, 4]
        let options = || ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
        let apart = [(context, 0), (placed, 4)]
            .map(|(x, first)| conv2d(x, weight.clone().narrow(0, first, 4), None, options()));
        let expected = LEAKY.apply(Tensor::cat(apart.into(), 1)); // [batch, 2 width, 32, 32]
        let got = stage.block().forward(input.clone());
        assert!((got - expected).abs().max().into_scalar::<f32>() < 1e-6);
        assert_eq!(discriminator.forward(input).dims(), [3]);
    }

    #[test]
    fn patches_of_a_discriminator_that_sees_the_context_have_the_gradients_of_finite_differences() {
        let device = Device::flex().autodiff();
        for prediction in [Prediction::Centre, Prediction::Whole] {
            let config = ModelConfig::default().with_size(64).with_width(4).with_conditional(true);
            let config = config.with_prediction(prediction);
            let side = config.predicted_side();
            let values =
                (0..2 * 3 * side * side).map(|i| ((i * 37) % 101) as f32 / 50.5 - 1.0).collect::<Vec<_>>();
            let patches = Tensor::<4>::from_data(TensorData::new(values, [2, 3, side, side]), &device);
            let context = Tensor::<4>::full([2, 3, 64, 64], 0.5, &device);
            let loss = |patches: Tensor<4>| {
                let discriminator = Discriminator::new(&config, 3, &device).expect("valid").no_grad();
                let logits = discriminator.forward(config.discriminator_input(patches, || context.clone()));
                (logits.clone() * logits).sum()
            };
            let tracked = patches.clone().require_grad();
            let gradient = tracked.grad(&loss(tracked.clone()).backward()).expect("tracked");
            let way = patches.clone().inner().mul_scalar(7.0).sin();
            let slope: f32 = (gradient * way.clone()).sum().into_scalar();
            let way = Tensor::from_inner(way);
            let at = |step: f32| loss(patches.clone() + way.clone() * step).into_scalar::<f32>();
            let expected = (at(2e-4) - at(-2e-4)) / 4e-4; // larger steps cross kinks of the activations
            assert!((slope - expected).abs() < 0.03 * expected.abs(), "{prediction:?}: {slope}, {expected}");
        }
    }
}
