//! One step of learning: state and batch in, state and report out.

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use context_encoder_data::InpaintingBatch;
use context_encoder_inpaint::{Blend, Fill, Inpainter};
use context_encoder_loss::{
    DiscriminatorLoss, GeneratorLoss, LossMask, Objective, Reconstruction, discriminator_loss,
};
use context_encoder_model::{Discriminator, Model, Precision, Prediction, SaveOptions, parameter_count};
use context_encoder_ops::autocast;

use crate::{
    Schedule, TrainConfig, TrainError,
    average::Average,
    bundle::{Packing, Unpacking},
    parallel::Seat,
    player::Player,
    recipe::Learn,
};

/// Names of what a checkpoint holds.
const GENERATOR: &str = "generator";
const DISCRIMINATOR: &str = "discriminator";
const AVERAGE: &str = "average";

/// Both networks with their optimisers.
pub struct Learner {
    generator: Player<Model>,
    /// Absent when the objective is reconstruction alone.
    discriminator: Option<Player<Discriminator>>,
    /// Absent when nothing is averaged.
    average: Option<Average>,
    /// Steps done, and to be done.
    step: u64,
    steps: u64,
    schedule: Schedule,
    objective: Objective,
    reconstruction: Reconstruction,
    /// Parts of its batch that are normalised each by its own statistics.
    shares: usize,
    /// In what layers multiply.
    precision: Precision,
    /// Its place among replicas, where there are several.
    seat: Option<Seat>,
}

/// The optimised numbers of one step, still on the device.
pub struct StepTerms {
    /// The generator's loss.
    pub generator: GeneratorLoss,
    /// The discriminator's loss, when there is one.
    pub discriminator: Option<DiscriminatorLoss>,
}

impl Learner {
    /// Fresh networks; `device` computes gradients (it is turned to autodiff).
    ///
    /// # Errors
    /// [`TrainError::Model`] when the architecture cannot be built.
    pub fn new(config: &TrainConfig, device: &Device) -> Result<Self, TrainError> {
        let device = device.clone().without_autodiff().autodiff();
        let model = config.model.init_seeded(config.seed, &device)?;
        let discriminator = if config.objective.is_adversarial() {
            let critic = Discriminator::new(&config.model, config.seed, &device)?;
            Some(Player::new(critic, config.discriminator_rate, config.precision))
        } else {
            None
        };
        Ok(Self {
            average: (config.averaging > 0.0).then(|| Average::new(&model, config.averaging)),
            generator: Player::new(model, config.generator_rate, config.precision),
            discriminator,
            step: 0,
            steps: config.steps,
            schedule: config.schedule,
            objective: config.objective,
            reconstruction: config.reconstruction,
            shares: config.shares.max(1),
            precision: config.precision,
            seat: None,
        })
    }

    /// Takes the generator's first weights from a file, and begins the running average with them.
    ///
    /// # Errors
    /// [`TrainError::Model`] when the file cannot be used, [`TrainError::Config`] when its network is another.
    fn begin_with(mut self, weights: &Path, device: &Device) -> Result<Self, TrainError> {
        let old = &self.generator.network;
        let model = Model::load(weights, &device.clone().without_autodiff().autodiff())?;
        if model.config() != old.config() {
            return Err(TrainError::config(format!(
                "begin_with: {} holds another network ({:?}) than `model` describes ({:?}); make them alike",
                weights.display(),
                model.config(),
                old.config()
            )));
        }
        self.average = self.average.map(|average| average.anew(&model));
        self.generator.network = model;
        Ok(self)
    }

    /// The generator to use: the running average where there is one, otherwise the network as it stands.
    pub fn model(&self) -> &Model {
        self.average.as_ref().map_or(&self.generator.network, |average| &average.network)
    }

    /// The discriminator as it stands, when there is one.
    pub fn critic(&self) -> Option<&Discriminator> {
        self.discriminator.as_ref().map(|player| &player.network)
    }

    /// One step of the game (paper, section 3.2): the discriminator learns to tell true patches from
    /// predictions, then the generator learns from truth and from the improved discriminator.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, size, size]` in `[-1, 1]`; `masks`: `[batch, 1, size, size]`, 1 = hidden; both
    ///   on the learner's autodiff device
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use context_encoder_data::InpaintingBatch;
    /// use context_encoder_train::{Learner, TrainConfig};
    ///
    /// let device = Device::flex().autodiff();
    /// let mut config = TrainConfig::default();
    /// config.model = config.model.with_size(64).with_width(2);
    /// let batch = InpaintingBatch {
    ///     images: Tensor::ones([2, 3, 64, 64], &device),
    ///     masks: Tensor::zeros([2, 1, 64, 64], &device).slice_fill([0..2, 0..1, 16..48, 16..48], 1.0),
    ///     names: vec!["a".into(), "b".into()],
    /// };
    /// let (learner, first) = Learner::new(&config, &device)?.step(&batch);
    /// let (_, second) = learner.step(&batch);
    /// assert!(second.generator.total.into_scalar::<f32>() < first.generator.total.into_scalar::<f32>());
    /// # Ok::<(), context_encoder_train::TrainError>(())
    /// ```
    pub fn step(self, batch: &InpaintingBatch) -> (Self, StepTerms) {
        autocast(self.precision.dtype(), || self.play(batch))
    }

    fn play(self, batch: &InpaintingBatch) -> (Self, StepTerms) {
        let Self {
            generator,
            discriminator,
            average,
            step,
            steps,
            schedule,
            objective,
            reconstruction,
            shares,
            precision,
            seat,
        } = self;
        let place = seat.as_ref();
        let pace = schedule.factor(step, steps);
        let model = &generator.network;
        let truth = model.target(batch.images.clone()); // [batch, 3, predicted, predicted]
        let hidden = model.target(batch.masks.clone()); // [batch, 1, predicted, predicted]
        let region = match model.config().prediction {
            Prediction::Centre => LossMask::Overlapping(hidden),
            _ => hidden_region(hidden, place),
        };
        let prediction = model.forward_ghost_batches(batch.images.clone(), batch.masks.clone(), shares);

        let (discriminator, discriminator_terms) = match discriminator {
            Some(player) => {
                let patches = [truth.clone(), prediction.clone().detach()];
                let (player, terms) = teach(player, pace, patches, shares, place);
                (Some(player), Some(terms))
            }
            None => (None, None),
        };

        let judge = |patches: Tensor<4>| match &discriminator {
            Some(player) => judgement(&player.network, patches, shares),
            None => unreachable!("an objective without discriminator asks for no judgement"),
        };
        let loss = objective.generator_loss(&reconstruction, prediction, truth, region, judge);
        let terms = StepTerms { generator: detached(&loss), discriminator: discriminator_terms };
        let generator = generator.descend(&loss.total, pace, place).agree(place);
        let discriminator = discriminator.map(|player| player.agree(place));
        let average = average.map(|average| average.take_in(&generator.network, step));
        let learner = Self {
            generator,
            discriminator,
            average,
            step: step + 1,
            steps,
            schedule,
            objective,
            reconstruction,
            shares,
            precision,
            seat,
        };
        (learner, terms)
    }
}

impl Learn for Learner {
    type Recipe = TrainConfig;

    fn new(config: &TrainConfig, device: &Device) -> Result<Self, TrainError> {
        Self::new(config, device)
    }

    fn begin(config: &TrainConfig, device: &Device) -> Result<Self, TrainError> {
        let learner = Self::new(config, device)?;
        match &config.begin_with {
            Some(weights) => learner.begin_with(weights, device),
            None => Ok(learner),
        }
    }

    fn set_rates(&mut self, config: &TrainConfig) {
        self.steps = config.steps;
        self.precision = config.precision;
        self.generator.set(config.generator_rate, config.precision);
        if let Some(player) = &mut self.discriminator {
            player.set(config.discriminator_rate, config.precision);
        }
    }

    fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    fn join(self, seat: Seat) -> Self {
        // The first replica is the one that is saved.
        let average = self.average.filter(|_| seat.rank() == 0);
        let shares = (self.shares / seat.seats()).max(1);
        Self { average, shares, seat: Some(seat), ..self }
    }

    fn step(self, batch: &InpaintingBatch) -> (Self, StepTerms) {
        self.step(batch)
    }

    fn parameters(&self) -> usize {
        parameter_count(self.model())
    }

    fn filler(&self, device: &Device) -> Box<dyn Fill> {
        // unblended: what the network itself has learned
        Box::new(Inpainter::new(self.model(), device).with_blend(Blend::None))
    }

    fn save(&self, options: &SaveOptions, path: &Path) -> Result<(), TrainError> {
        Ok(self.model().valid().save_with(options, path)?)
    }

    fn pack(&self, packing: &mut Packing<'_>) -> Result<(), TrainError> {
        packing.player(GENERATOR, &self.generator)?;
        if let Some(player) = &self.discriminator {
            packing.player(DISCRIMINATOR, player)?;
        }
        if let Some(average) = &self.average {
            packing.network(AVERAGE, &average.network)?;
        }
        Ok(())
    }

    fn unpack(self, unpacking: &mut Unpacking<'_>) -> Result<Self, TrainError> {
        let Self { generator, discriminator, mut average, .. } = self;
        let generator = unpacking.player(GENERATOR, generator)?;
        let discriminator =
            discriminator.map(|player| unpacking.player(DISCRIMINATOR, player)).transpose()?;
        if let Some(average) = &mut average {
            unpacking.network(AVERAGE, &mut average.network)?;
        }
        Ok(Self { generator, discriminator, average, ..self })
    }
}

/// Pixels that count, by their masks `[batch, 1, height, width]`, 1 = hidden; where the batch is a share of a larger one,
/// together with those of the other shares.
pub(crate) fn hidden_region(masks: Tensor<4>, seat: Option<&Seat>) -> LossMask {
    match seat {
        None => LossMask::Hidden(masks),
        Some(seat) => {
            let hidden = seat.mean(vec![masks.clone().inner().sum()]).swap_remove(0);
            LossMask::HiddenShard { masks, mean_hidden: Tensor::from_inner(hidden) }
        }
    }
}

/// What the discriminator thinks of patches: a slope for the patches, but none for its own weights, which
/// the generator's step does not move.
fn judgement(critic: &Discriminator, patches: Tensor<4>, shares: usize) -> Tensor<1> {
    critic.clone().no_grad().forward_ghost_batches(patches, shares)
}

/// The discriminator's step on true patches and on predictions that carry no gradient.
fn teach(
    player: Player<Discriminator>,
    pace: f64,
    patches: [Tensor<4>; 2],
    shares: usize,
    seat: Option<&Seat>,
) -> (Player<Discriminator>, DiscriminatorLoss) {
    // One pass, but each half is normalised by its own statistics, as in two.
    let [real, fake] = player.network.forward_each(patches, shares); // [batch] each
    let loss = discriminator_loss(real, fake);
    let terms = DiscriminatorLoss {
        real: loss.real.clone().detach(),
        fake: loss.fake.clone().detach(),
        total: loss.total.clone().detach(),
    };
    (player.descend(&loss.total, pace, seat), terms)
}

/// The numbers alone, so that a report does not keep a step's whole graph alive.
pub(crate) fn detached(loss: &GeneratorLoss) -> GeneratorLoss {
    GeneratorLoss {
        reconstruction: loss.reconstruction.clone().map(Tensor::detach),
        adversarial: loss.adversarial.clone().map(Tensor::detach),
        total: loss.total.clone().detach(),
    }
}

#[cfg(test)]
mod tests {
    use burn::{optim::GradientsParams, tensor::TensorData};
    use context_encoder_mask::MaskKind;

    use super::*;

    fn config(objective: Objective) -> TrainConfig {
        let mut config = TrainConfig { objective, ..TrainConfig::default() };
        config.model = config.model.with_size(64).with_width(4);
        config
    }

    /// Four pictures of stripes that differ in width.
    fn batch(prediction: Prediction) -> InpaintingBatch {
        let device = Device::flex().autodiff();
        let pixels: Vec<f32> = (0..4 * 3 * 64 * 64_usize)
            .map(|i| {
                let (picture, x) = (i / (3 * 64 * 64), i % 64);
                if (x / (2 + picture)) % 2 == 0 { 0.7 } else { -0.4 }
            })
            .collect();
        let hole = match prediction {
            Prediction::Centre => [0..4, 0..1, 16..48, 16..48],
            _ => [0..4, 0..1, 5..30, 10..35],
        };
        InpaintingBatch {
            images: Tensor::from_data(TensorData::new(pixels, [4, 3, 64, 64]), &device),
            masks: Tensor::zeros([4, 1, 64, 64], &device).slice_fill(hole, 1.0),
            names: Vec::new(),
        }
    }

    fn number(term: Tensor<1>) -> f32 {
        term.into_scalar()
    }

    #[test]
    fn one_batch_is_memorised() {
        for prediction in [Prediction::Centre, Prediction::Whole] {
            let mut config = config(Objective::joint());
            config.model.prediction = prediction;
            config.masks = MaskKind::Central { overlap: 0 };
            let batch = batch(prediction);
            let mut learner = Learner::new(&config, &Device::flex()).expect("usable");
            let mut losses = Vec::new();
            for _ in 0..60 {
                let (next, terms) = learner.step(&batch);
                learner = next;
                losses.push(number(terms.generator.reconstruction.expect("joint")));
            }
            let (first, last) = (losses[0], losses[losses.len() - 1]);
            assert!(last < 0.05 * first, "{prediction:?}: {first} to {last}");
        }
    }

    #[test]
    fn objectives_train_what_they_name() {
        let batch = batch(Prediction::Centre);
        let (learner, terms) =
            Learner::new(&config(Objective::Reconstruction), &Device::flex()).expect("usable").step(&batch);
        assert!(learner.critic().is_none() && terms.discriminator.is_none());
        assert!(terms.generator.adversarial.is_none());
        let (learner, terms) =
            Learner::new(&config(Objective::Adversarial), &Device::flex()).expect("usable").step(&batch);
        assert!(learner.critic().is_some() && terms.generator.reconstruction.is_none());
        let discriminator = terms.discriminator.expect("adversarial");
        let sum = number(discriminator.real) + number(discriminator.fake);
        assert!((number(discriminator.total) - sum).abs() < 1e-6);
    }

    #[test]
    fn the_discriminator_learns_to_tell_them_apart() {
        let mut learner = Learner::new(&config(Objective::joint()), &Device::flex()).expect("usable");
        let batch = batch(Prediction::Centre);
        let mut totals = Vec::new();
        for _ in 0..12 {
            let (next, terms) = learner.step(&batch);
            learner = next;
            totals.push(number(terms.discriminator.expect("joint").total));
        }
        assert!(totals[11] < totals[0], "{totals:?}");
    }

    #[test]
    fn the_generators_step_has_no_slopes_for_the_discriminators_weights() {
        let learner = Learner::new(&config(Objective::joint()), &Device::flex()).expect("usable");
        let critic = learner.critic().expect("joint");
        let patches = batch(Prediction::Centre).images.slice([0..4, 0..3, 0..32, 0..32]).require_grad();
        let slopes = judgement(critic, patches.clone(), 1).sum().backward();
        assert!(patches.grad(&slopes).is_some());
        assert!(GradientsParams::from_grads(slopes, critic).is_empty());
        let slopes = critic.forward(patches).sum().backward();
        assert!(!GradientsParams::from_grads(slopes, critic).is_empty(), "otherwise it has");
    }

    /// Ten steps against the same with each half judged by itself.
    #[test]
    fn the_discriminator_learns_from_both_halves_at_once_what_it_learns_from_each() {
        let config = config(Objective::joint());
        let truth = batch(Prediction::Centre).images.slice([0..4, 0..3, 0..32, 0..32]);
        let prediction = batch(Prediction::Centre).images.slice([0..4, 0..3, 30..62, 17..49]) * 0.5 + 0.1;
        let fresh = || Learner::new(&config, &Device::flex()).expect("usable").discriminator.expect("joint");
        let (mut together, mut apart) = (fresh(), fresh());
        for step in 0..10 {
            let (next, terms) = teach(together, 1.0, [truth.clone(), prediction.clone()], 1, None);
            together = next;
            let [real, fake] = [&truth, &prediction].map(|half| apart.network.forward(half.clone()));
            let loss = discriminator_loss(real, fake);
            apart = apart.descend(&loss.total, 1.0, None);
            let (together, apart) = (number(terms.total), number(loss.total));
            assert!((together - apart).abs() < 1e-4 * apart, "step {step}: {together} is not {apart}");
        }
    }
}
