//! The context encoder itself.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use context_encoder_ops::in_32_bits;

use crate::{
    bottleneck::Bottleneck,
    config::{ModelConfig, Prediction},
    decoder::Decoder,
    encoder::Encoder,
    error::ModelError,
    init::init_dcgan,
    layer::GhostBatches,
    skips::Skips,
};

/// A context encoder: sees a picture with a hole and predicts what was there (paper, section 3).
///
/// Built from a [`ModelConfig`], or read from a file with [`Model::load`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::ModelConfig;
///
/// let device = Device::flex();
/// let model = ModelConfig::default().init(&device)?;
///
/// let images = Tensor::zeros([1, 3, 128, 128], &device);
/// let masks = Tensor::zeros([1, 1, 128, 128], &device).slice_fill([0..1, 0..1, 32..96, 32..96], 1.0);
/// let centres = model.forward(images, masks);
/// assert_eq!(centres.dims(), [1, 3, 64, 64]);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct Model {
    pub(crate) encoder: Encoder,
    pub(crate) bottleneck: Bottleneck,
    pub(crate) decoder: Decoder,
    #[module(skip)]
    config: ModelConfig,
}

/// Keeps the generator's random stream apart from the discriminator's of the same seed.
const STREAM: u64 = 0;

impl ModelConfig {
    /// Builds the network with fresh weights drawn from seed 0, the same on every device.
    ///
    /// # Errors
    /// [`ModelError::Config`] when [`validate`](Self::validate) refuses a field.
    pub fn init(&self, device: &Device) -> Result<Model, ModelError> {
        self.init_seeded(0, device)
    }

    /// Builds the network with fresh weights drawn from `seed`: convolutions from N(0, 0.02), batch-norm
    /// scales from N(1, 0.02) (DCGAN).
    ///
    /// # Errors
    /// [`ModelError::Config`] when [`validate`](Self::validate) refuses a field.
    pub fn init_seeded(&self, seed: u64, device: &Device) -> Result<Model, ModelError> {
        self.validate()?;
        let model = Model {
            encoder: Encoder::new(self, device),
            bottleneck: Bottleneck::new(self, device),
            decoder: Decoder::new(self, device),
            config: self.clone(),
        };
        Ok(init_dcgan(model, seed, STREAM))
    }
}

impl Model {
    /// The configuration that the network was built from.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Replaces hidden pixels by the fill and predicts the centre or the whole picture.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, size, size]` in `[-1, 1]`
    /// - `masks`: `[batch, 1, size, size]`, 1 = hidden, 0 = visible
    /// - output: `[batch, 3, predicted, predicted]` in `(-1, 1)`; with a [smooth
    ///   fill](crate::InitialFill::Smooth) it may reach beyond, where pixels are clamped
    ///
    /// # Panics
    /// When the pictures are not of the configured size.
    pub fn forward(&self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        self.forward_ghost_batches(images, masks, 1)
    }

    /// The same in training with the batch in equal ghost batches, each normalized by its own statistics, as
    /// by so many ranks of data-parallel training. Running statistics take the mean of the ghost batches'.
    ///
    /// Shapes as for [`forward`](Self::forward).
    ///
    /// # Panics
    /// When the batch cannot be divided so.
    pub fn forward_ghost_batches(
        &self,
        images: Tensor<4>,
        masks: Tensor<4>,
        ghost_batches: usize,
    ) -> Tensor<4> {
        self.predict_in_training(self.config.input(images, masks), None, ghost_batches)
    }

    /// Predicts in training, as [`forward_ghost_batches`](Self::forward_ghost_batches), from what
    /// [`ModelConfig::input`] makes of pictures and masks and, where the network has a
    /// [noise input](ModelConfig::noise), from noise. Without it, as in inference, noise is zero, the mean
    /// of what it is drawn from.
    ///
    /// # Shapes
    /// - `input`: as for [`predict`](Self::predict)
    /// - `noise`: `[batch, noise]`, standard normal
    /// - output: as for [`forward`](Self::forward)
    ///
    /// # Panics
    /// When the batch cannot be divided so.
    pub fn predict_in_training(
        &self,
        input: Tensor<4>,
        noise: Option<Tensor<2>>,
        ghost_batches: usize,
    ) -> Tensor<4> {
        self.predict_ghost_batches(input, noise, GhostBatches { batches: 1, ghost_batches })
    }

    /// Predicts from what [`ModelConfig::input`] makes of pictures and masks: pictures whose hidden part
    /// already holds the fill.
    ///
    /// # Shapes
    /// - input: `[batch, 3, size, size]`, or `[batch, 4, size, size]` where the mask is an input
    /// - output: as for [`forward`](Self::forward)
    pub fn predict(&self, input: Tensor<4>) -> Tensor<4> {
        self.predict_ghost_batches(input, None, GhostBatches::ONE)
    }

    fn predict_ghost_batches(
        &self,
        input: Tensor<4>,
        noise: Option<Tensor<2>>,
        division: GhostBatches,
    ) -> Tensor<4> {
        self.config.expect_input(&input);
        let mut skips = Skips::new(self.config.skips);
        let features = self.encoder.forward(input.clone(), division, &mut skips); // [batch, 8 width, 4, 4]
        let features = skips.add(self.bottleneck.forward(features, noise, division)); // [batch, 8 width, 4, 4]
        let output = self.decoder.forward(features, division, &mut skips); // [batch, 3, predicted, predicted]
        self.config.prediction(input, output)
    }

    /// The encoder's features of what [`ModelConfig::input`] makes of pictures and masks.
    ///
    /// # Shapes
    /// - input: as for [`predict`](Self::predict)
    /// - output: `[batch, 8 width, 4, 4]`
    pub fn encode(&self, input: Tensor<4>) -> Tensor<4> {
        self.config.expect_input(&input);
        in_32_bits(self.encoder.forward(input, GhostBatches::ONE, &mut Skips::new(false)))
    }

    /// Cuts out of full-size tensors the part that the network predicts: the central square of half the side,
    /// or everything.
    ///
    /// # Shapes
    /// - input: `[batch, channels, size, size]`
    /// - output: `[batch, channels, predicted, predicted]`
    pub fn target(&self, full: Tensor<4>) -> Tensor<4> {
        self.config.predicted(full)
    }

    /// Puts a prediction back where it belongs in full-size pictures, inside the mask only: `(1 - M) x + M
    /// prediction`. Hidden pixels outside the predicted square keep their value.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, size, size]`, `masks`: `[batch, 1, size, size]`, 1 = hidden
    /// - `prediction`: `[batch, 3, predicted, predicted]`
    /// - output: `[batch, 3, size, size]`
    pub fn paste(&self, images: Tensor<4>, masks: Tensor<4>, prediction: Tensor<4>) -> Tensor<4> {
        let hidden = self.target(masks);
        let visible = hidden.clone().neg().add_scalar(1.0);
        let filled = self.target(images.clone()) * visible + prediction * hidden;
        match self.config.prediction {
            Prediction::Whole => filled,
            Prediction::Centre => {
                let [batch, channels, height, width] = images.dims();
                let (top, left) = (height / 4, width / 4);
                images.slice_assign(
                    [0..batch, 0..channels, top..top + height / 2, left..left + width / 2],
                    filled,
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{ModuleMapper, ModuleVisitor, Param},
        tensor::{Gradients, TensorData},
    };

    use super::*;
    use crate::{BottleneckConfig, Discriminator, Preset};

    #[test]
    fn every_size_passes_through_a_4x4_map_to_the_predicted_side() {
        let device = Device::flex();
        let sizes = ModelConfig::SIZES.map(|size| ModelConfig::default().with_size(size).with_width(2));
        for centre in sizes {
            let side = centre.size;
            for config in [centre.clone(), centre.with_prediction(Prediction::Whole)] {
                let model = config.init(&device).expect("valid");
                let pictures = Tensor::zeros([1, 3, side, side], &device);
                assert_eq!(model.encode(pictures.clone()).dims(), [1, 16, 4, 4]);
                let predicted = model.predict(pictures);
                let side = config.predicted_side();
                assert_eq!(predicted.dims(), [1, 3, side, side]);
                let discriminator = Discriminator::new(&config, 0, &device).expect("valid");
                assert_eq!(discriminator.forward(predicted).dims(), [1]);
            }
        }
    }

    #[test]
    fn target_is_the_central_quarter() {
        let device = Device::flex();
        let model = ModelConfig::default().with_size(64).with_width(1).init(&device).expect("valid");
        let rows: Vec<f32> = (0..64 * 64).map(|i| (i / 64) as f32).collect();
        let full = Tensor::<4>::from_data(TensorData::new(rows, [1, 1, 64, 64]), &device);
        let centre = model.target(full);
        assert_eq!(centre.dims(), [1, 1, 32, 32]);
        let values: Vec<f32> = centre.into_data().try_to_vec().expect("f32");
        assert_eq!((values[0], values[32 * 32 - 1]), (16.0, 47.0));
    }

    #[test]
    fn paste_changes_hidden_pixels_only() {
        let device = Device::flex();
        for prediction in [Prediction::Centre, Prediction::Whole] {
            let config = ModelConfig::default().with_size(64).with_width(1).with_prediction(prediction);
            let model = config.init(&device).expect("valid");
            let side = config.predicted_side();
            let images = Tensor::<4>::full([1, 3, 64, 64], 0.25, &device);
            let masks =
                Tensor::<4>::zeros([1, 1, 64, 64], &device).slice_fill([0..1, 0..1, 20..30, 20..24], 1.0);
            let pasted = model.paste(images, masks, Tensor::full([1, 3, side, side], -1.0, &device));
            let values: Vec<f32> = pasted.into_data().try_to_vec().expect("f32");
            assert_eq!(values.iter().filter(|&&v| v == -1.0).count(), 3 * 40);
            assert_eq!(values.iter().filter(|&&v| v == 0.25).count(), 3 * (64 * 64 - 40));
        }
    }

    #[test]
    fn ghost_batches_are_normalized_as_batches_of_their_own() {
        let device = Device::flex().autodiff();
        for bottleneck in [BottleneckConfig::ChannelWise, BottleneckConfig::Dense(7)] {
            let config = ModelConfig::default().with_size(64).with_width(2).with_bottleneck(bottleneck);
            let model = || config.init(&device).expect("valid");
            let pixels =
                (0..4 * 3 * 64 * 64).map(|i| ((i * 37 + i / 9000) % 101) as f32 / 50.5 - 1.0).collect();
            let images = Tensor::<4>::from_data(TensorData::new::<f32, _>(pixels, [4, 3, 64, 64]), &device);
            let masks = Tensor::zeros([4, 1, 64, 64], &device);
            let together = model().forward_ghost_batches(images.clone(), masks.clone(), 2);
            let halves = images.clone().chunk(2, 0).into_iter().zip(masks.clone().chunk(2, 0));
            let halves = halves.map(|(images, masks)| model().forward(images, masks)).collect();
            let difference = |other: Tensor<4>| (together.clone() - other).abs().max().into_scalar::<f32>();
            assert!(difference(Tensor::cat(halves, 0)) < 1e-6);
            assert!(
                difference(model().forward(images, masks)) > 1e-4,
                "the whole batch has other statistics"
            );
        }
    }

    /// Sets everything to zero.
    struct Zeros;

    impl ModuleMapper for Zeros {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.zeros_like())
        }
    }

    /// The direction in which weights are shifted.
    fn direction<const D: usize>(like: &Tensor<D>) -> Tensor<D> {
        let count = like.dims().iter().product();
        let values: Vec<f32> = (0..count).map(|i: usize| (i as f32 * 12.9898).sin()).collect();
        Tensor::from_data(TensorData::new(values, like.dims()), &like.device())
    }

    /// Shifts the weights of convolutions so far along the direction.
    struct Shift {
        amount: f32,
    }

    impl ModuleMapper for Shift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if D != 4 {
                return param;
            }
            param.map(|weight| {
                let shift = direction(&weight).mul_scalar(self.amount);
                (weight + shift).detach().require_grad()
            })
        }
    }

    /// The gradients of the weights of convolutions along the direction.
    struct Slope<'a> {
        gradients: &'a Gradients,
        sum: f32,
    }

    impl ModuleVisitor for Slope<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D == 4 {
                let weight = param.val();
                let gradient = weight.grad(self.gradients).expect("tracked");
                self.sum += (gradient * direction(&weight).inner()).sum().into_scalar::<f32>();
            }
        }
    }

    /// A network for whole pictures with everything that the paper's has not, pictures and masks for it.
    fn any_shape(device: &Device) -> (ModelConfig, Tensor<4>, Tensor<4>) {
        let whole = ModelConfig::preset(Preset::Photo).with_size(64).with_width(2);
        let pixels = (0..4 * 3 * 64 * 64).map(|i| ((i * 37 + i / 9000) % 101) as f32 / 50.5 - 1.0).collect();
        let images = Tensor::<4>::from_data(TensorData::new::<f32, _>(pixels, [4, 3, 64, 64]), device);
        let masks = Tensor::zeros([4, 1, 64, 64], device).slice_fill([0..4, 0..1, 9..30, 20..50], 1.0);
        (whole, images, masks)
    }

    #[test]
    fn skips_carry_what_the_4x4_map_does_not() {
        let device = Device::flex();
        let (config, images, masks) = any_shape(&device);
        for (skips, expected) in [(true, true), (false, false)] {
            let model = config.clone().with_skips(skips).init(&device).expect("valid");
            // Nothing passes the bottleneck.
            let model = Model { bottleneck: model.bottleneck.clone().map(&mut Zeros), ..model };
            let other = images.clone() * 0.5;
            let [one, other] = [images.clone(), other].map(|images| {
                let input = config.input(images, masks.clone());
                model.predict(input.clone()) - input.narrow(1, 0, 3) // the correction alone
            });
            let depends = (one - other).abs().max().into_scalar::<f32>() > 0.0;
            assert_eq!(depends, expected, "skips {skips}");
        }
    }

    #[test]
    fn mask_input_tells_a_hole_from_what_it_is_filled_with() {
        let device = Device::flex();
        let (config, _, masks) = any_shape(&device);
        let grey = Tensor::<4>::full([4, 3, 64, 64], 0.25, &device); // and so is its smooth fill
        for (mask_input, expected) in [(true, true), (false, false)] {
            let model = config.clone().with_mask_input(mask_input).init(&device).expect("valid");
            let [hidden, visible] =
                [masks.clone(), masks.zeros_like()].map(|masks| model.forward(grey.clone(), masks));
            let difference: f32 = (hidden - visible).abs().max().into_scalar();
            assert_eq!(difference > 1e-4, expected, "mask input {mask_input}: {difference}");
        }
    }

    /// Standard deviation about 0.7, another value everywhere.
    fn noise(device: &Device) -> Tensor<2> {
        direction(&Tensor::<2>::zeros([4, 6], device))
    }

    fn noisy() -> ModelConfig {
        let config = ModelConfig::preset(Preset::Authors).with_size(64).with_width(2);
        config.with_bottleneck(BottleneckConfig::Dense(10)).with_noise(6)
    }

    #[test]
    fn gradients_through_skips_mask_and_noise_are_finite_differences() {
        let device = Device::flex().autodiff();
        let (photo, images, masks) = any_shape(&device);
        for config in [photo, noisy()] {
            let loss = |amount: f32| {
                let model = config.init(&device).expect("valid").map(&mut Shift { amount });
                let noise = (config.noise > 0).then(|| noise(&device));
                let y = model.predict_in_training(config.input(images.clone(), masks.clone()), noise, 1);
                let loss = (y - model.target(images.clone())).square().mean();
                (model, loss)
            };
            let (model, at) = loss(0.0);
            let gradients = at.backward();
            let mut slope = Slope { gradients: &gradients, sum: 0.0 };
            model.visit(&mut slope);
            // Small beside the weights' deviation of 0.02: larger steps cross kinks of the activations.
            let step = 5e-5;
            let [ahead, behind] = [step, -step].map(|amount| loss(amount).1.into_scalar::<f32>());
            let expected = (ahead - behind) / (2.0 * step);
            assert!(
                (slope.sum - expected).abs() < 0.03 * expected.abs(),
                "{config:?}: {} is not {expected}",
                slope.sum
            );
        }
    }

    #[test]
    fn noise_joins_the_code_and_is_zero_unless_given() {
        let device = Device::flex().autodiff();
        let (_, images, masks) = any_shape(&device);
        let config = noisy();
        let predict = |noise: Option<Tensor<2>>| {
            let model = config.init(&device).expect("valid");
            model.predict_in_training(config.input(images.clone(), masks.clone()), noise, 1)
        };
        let difference = |a: Tensor<4>, b: Tensor<4>| (a - b).abs().max().into_scalar::<f32>();
        let zero = Tensor::zeros([4, 6], &device);
        assert_eq!(difference(predict(None), predict(Some(zero))), 0.0);
        assert!(difference(predict(None), predict(Some(noise(&device)))) > 1e-4);
        // In inference a constant beside the code, prepared or not.
        let model = config.init(&device).expect("valid").valid();
        let input = config.input(images, masks).inner();
        let prepared = model.predictor().predict(input.clone());
        assert!(difference(prepared, model.predict(input)) < 1e-6);
    }

    #[test]
    #[should_panic(expected = "the network takes [batch, 3, 64, 64]")]
    fn pictures_of_another_size_panic_with_both_shapes() {
        let device = Device::flex();
        let model = ModelConfig::default().with_size(64).with_width(1).init(&device).expect("valid");
        model.predict(Tensor::zeros([1, 3, 128, 128], &device));
    }
}
