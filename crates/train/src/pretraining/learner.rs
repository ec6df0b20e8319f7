//! One step of pretraining.

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use context_encoder_data::{InpaintingBatch, Purpose, coin_flips, rng_for};
use context_encoder_inpaint::Fill;
use context_encoder_loss::{Objective, Reconstruction};
use context_encoder_model::{FeatureModel, Precision, SaveOptions, parameter_count};
use context_encoder_ops::autocast;

use super::{PretrainConfig, reconstructor::Reconstructor};
use crate::{
    Schedule, StepTerms, TrainError,
    bundle::{Packing, Unpacking},
    learner::{detached, hidden_region},
    parallel::Seat,
    player::Player,
    recipe::{Asked, Learn},
};

/// Name of the network in a checkpoint.
const MODEL: &str = "model";

/// The feature-learning network with its optimiser.
pub struct FeatureLearner {
    player: Player<FeatureModel>,
    asked: Asked,
    seed: u64,
    /// Steps done, and to be done.
    step: u64,
    steps: u64,
    schedule: Schedule,
    /// In what layers multiply.
    precision: Precision,
    /// Its place among replicas, where there are several.
    seat: Option<Seat>,
}

impl FeatureLearner {
    /// A fresh network; `device` computes gradients (it is turned to autodiff).
    ///
    /// # Errors
    /// [`TrainError::Model`] when the architecture cannot be built.
    pub fn new(config: &PretrainConfig, device: &Device) -> Result<Self, TrainError> {
        let device = device.clone().without_autodiff().autodiff();
        Ok(Self {
            player: Player::new(
                config.model.init_seeded(config.seed, &device)?,
                config.rate(),
                config.precision,
            ),
            asked: config.pretext.asked(),
            seed: config.seed,
            step: 0,
            steps: config.steps,
            schedule: config.schedule,
            precision: config.precision,
            seat: None,
        })
    }

    /// The network as it stands.
    pub fn model(&self) -> &FeatureModel {
        &self.player.network
    }

    /// Hides what the masks hide, predicts the whole picture, and learns from the squared error over what the
    /// [pretext](super::Pretext) asks: `sum(M (x - F)^2) / sum(M)` over pictures, channels and pixels, with `M` the masks
    /// or 1 everywhere. What dropout silences follows from seed and step.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, size, size]` in `[-1, 1]`; `masks`: `[batch, 1, size, size]`, 1 = hidden; both
    ///   on the learner's autodiff device
    pub fn step(self, batch: &InpaintingBatch) -> (Self, StepTerms) {
        autocast(self.precision.dtype(), || self.learn(batch))
    }

    fn learn(self, batch: &InpaintingBatch) -> (Self, StepTerms) {
        let Self { player, asked, seed, step, steps, schedule, precision, seat } = self;
        let place = seat.as_ref();
        let (truth, masks) = (batch.images.clone(), batch.masks.clone());
        let counted = match asked {
            Asked::Hidden => masks.clone(),
            Asked::Everything => masks.ones_like(),
        };
        let model = &player.network;
        let masked = model.config().fill.apply_mask(truth.clone(), masks);
        let kept = kept(model, batch.len(), (seed, step), place, &truth.device());
        let prediction = model.predict_with_dropout(masked, kept); // [batch, 3, size, size]

        let loss = Objective::Reconstruction.generator_loss(
            &Reconstruction::default(),
            prediction,
            truth,
            hidden_region(counted, place),
            |_| unreachable!("reconstruction alone asks for no judgement"),
        );
        let terms = StepTerms { generator: detached(&loss), discriminator: None };
        let player = player.descend(&loss.total, schedule.factor(step, steps), place);
        (Self { player, asked, seed, step: step + 1, steps, schedule, precision, seat }, terms)
    }
}

/// What dropout keeps in a step: `[batch, channels, n, n]`, 1 = kept, 0 = silenced, each with probability 1/2. It is drawn
/// for the whole batch, of which a replica takes its share.
fn kept(
    model: &FeatureModel,
    batch: usize,
    (seed, step): (u64, u64),
    seat: Option<&Seat>,
    device: &Device,
) -> Tensor<4> {
    let config = model.config();
    let shape = [batch, 4 * config.width, config.map_side(), config.map_side()];
    let count: usize = shape.iter().product();
    let others = seat.map_or(0, |seat| seat.rank() * count);
    let coin_flips = coin_flips(rng_for(seed, Purpose::Dropout, 0, step)).skip(others);
    let values: Vec<f32> = coin_flips.take(count).map(|kept| f32::from(u8::from(kept))).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

impl Learn for FeatureLearner {
    type Recipe = PretrainConfig;

    fn new(config: &PretrainConfig, device: &Device) -> Result<Self, TrainError> {
        Self::new(config, device)
    }

    fn set_rates(&mut self, config: &PretrainConfig) {
        self.steps = config.steps;
        self.precision = config.precision;
        self.player.set(config.rate(), config.precision);
    }

    fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    fn join(self, seat: Seat) -> Self {
        Self { seat: Some(seat), ..self }
    }

    fn step(self, batch: &InpaintingBatch) -> (Self, StepTerms) {
        self.step(batch)
    }

    fn parameters(&self) -> usize {
        parameter_count(self.model())
    }

    fn filler(&self, device: &Device) -> Box<dyn Fill> {
        Box::new(Reconstructor::new(self.model(), self.asked, device))
    }

    fn save(&self, options: &SaveOptions, path: &Path) -> Result<(), TrainError> {
        Ok(self.model().valid().save_with(options, path)?)
    }

    fn pack(&self, packing: &mut Packing<'_>) -> Result<(), TrainError> {
        packing.player(MODEL, &self.player)
    }

    fn unpack(self, unpacking: &mut Unpacking<'_>) -> Result<Self, TrainError> {
        Ok(Self { player: unpacking.player(MODEL, self.player)?, ..self })
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_loss::LossMask;

    use super::*;
    use crate::Pretext;

    const SIZE: usize = 99;

    fn config(pretext: Pretext) -> PretrainConfig {
        let config = PretrainConfig { pretext, rate: Some(2e-3), ..PretrainConfig::default() };
        PretrainConfig { model: config.model.with_size(SIZE).with_width(8), ..config }
    }

    /// Two pictures of broad stripes; the hole is a square off the centre.
    fn batch() -> InpaintingBatch {
        let device = Device::flex().autodiff();
        let pixel = |i: usize| {
            let (picture, y, x) = (i / (3 * SIZE * SIZE), i / SIZE % SIZE, i % SIZE);
            let along = if picture == 0 { x } else { y };
            if along / 33 % 2 == 0 { 0.7 } else { -0.4 }
        };
        let pixels: Vec<f32> = (0..2 * 3 * SIZE * SIZE).map(pixel).collect();
        InpaintingBatch {
            images: Tensor::from_data(TensorData::new(pixels, [2, 3, SIZE, SIZE]), &device),
            masks: Tensor::zeros([2, 1, SIZE, SIZE], &device).slice_fill([0..2, 0..1, 20..60, 30..80], 1.0),
            names: vec!["across".into(), "down".into()],
        }
    }

    fn number(term: &Tensor<1>) -> f32 {
        term.clone().into_scalar()
    }

    #[test]
    fn the_loss_is_over_what_each_pretext_says() {
        let batch = batch();
        let numbers = |x: Tensor<4>| x.into_data().try_to_vec::<f32>().expect("f32");
        for pretext in Pretext::ALL {
            let learner = FeatureLearner::new(&config(pretext), &Device::flex()).expect("usable");
            let model = learner.model();
            let masked = model.config().fill.apply_mask(batch.images.clone(), batch.masks.clone());
            let kept = kept(model, 2, (0, 0), None, &batch.images.device());
            let prediction = numbers(model.predict_with_dropout(masked, kept));
            let (truth, masks) = (numbers(batch.images.clone()), numbers(batch.masks.clone()));
            let (mut sum, mut count) = (0.0_f64, 0.0_f64);
            for (i, (found, truth)) in prediction.iter().zip(&truth).enumerate() {
                let (picture, place) = (i / (3 * SIZE * SIZE), i % (SIZE * SIZE));
                let hidden = masks[picture * SIZE * SIZE + place] == 1.0;
                if hidden || pretext != Pretext::Context {
                    sum += f64::from(found - truth).powi(2);
                    count += 1.0;
                }
            }
            let (_, terms) = learner.step(&batch);
            let loss = f64::from(number(&terms.generator.total));
            assert!((loss - sum / count).abs() < 1e-4 * loss, "{pretext}: {loss} is not {}", sum / count);
            assert!(terms.generator.adversarial.is_none() && terms.discriminator.is_none());
        }
    }

    #[test]
    fn one_batch_is_memorised() {
        for pretext in [Pretext::Context, Pretext::Autoencoder] {
            let mut batch = batch();
            if pretext == Pretext::Autoencoder {
                batch.masks = batch.masks.zeros_like();
            }
            let mut learner = FeatureLearner::new(&config(pretext), &Device::flex()).expect("usable");
            // Without dropout, as it is used.
            let loss = |learner: &FeatureLearner| {
                let batch = [&batch.images, &batch.masks].map(|part| part.clone().inner());
                let [images, masks] = batch;
                let counted = if pretext == Pretext::Context { masks.clone() } else { masks.ones_like() };
                let prediction = learner.model().valid().forward(images.clone(), masks);
                let loss = Reconstruction::default().forward(prediction, images, LossMask::Hidden(counted));
                number(&loss)
            };
            let first = loss(&learner);
            for _ in 0..300 {
                learner = learner.step(&batch).0;
            }
            let last = loss(&learner);
            assert!(last < 0.1 * first, "{pretext}: {first} to {last}");
        }
    }

    #[test]
    fn dropout_follows_from_seed_and_step_and_keeps_half() {
        let learner = FeatureLearner::new(&config(Pretext::Context), &Device::flex()).expect("usable");
        let draw = |seed, step| {
            let kept = kept(learner.model(), 64, (seed, step), None, &Device::flex());
            assert_eq!(kept.dims(), [64, 32, 2, 2]);
            kept.into_data().try_to_vec::<f32>().expect("f32")
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
        let share = draw(1, 2).iter().sum::<f32>() / 8192.0;
        assert!((share - 0.5).abs() < 0.028, "{share}"); // five standard deviations
    }
}
