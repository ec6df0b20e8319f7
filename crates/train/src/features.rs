//! The training step of pretraining.

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use context_encoder_data::{InpaintingBatch, MaskSharing, pixel};
use context_encoder_inpaint::{Fill, InpaintError};
use context_encoder_loss::{Objective, Reconstruction};
use context_encoder_mask::Mask;
use context_encoder_model::{FeatureModel, Precision, SaveOptions, parameter_count};
use context_encoder_ops::autocast;
use image::RgbImage;

use crate::{
    Dropout, Losses, Pretext, PretrainConfig, RunSettings, Schedule, TrainError, TrainStep,
    checkpoint::{CheckpointReader, CheckpointWriter},
    data_parallel::Rank,
    losses::hidden_pixels,
    optimized_model::{OptimizedModel, RecordableModel},
    recorder::{self, RecordableTrainer, Recorder},
    task::{BatchSpec, LossRegion, Task, Trainer},
};

/// Name of the network in a checkpoint.
const MODEL: &str = "model";

/// The feature-learning network with its optimizer.
pub struct FeatureTrainer {
    model: OptimizedModel<FeatureModel>,
    loss_region: LossRegion,
    seed: u64,
    /// Steps done, and to be done.
    step: u64,
    steps: u64,
    schedule: Schedule,
    precision: Precision,
    /// Among several devices.
    rank: Option<Rank>,
    recorder: Recorder,
}

impl FeatureTrainer {
    /// A fresh network; `device` computes gradients (it is turned to autodiff).
    ///
    /// # Errors
    /// [`TrainError::Model`] when the architecture cannot be built.
    pub fn new(config: &PretrainConfig, device: &Device) -> Result<Self, TrainError> {
        let device = device.clone().without_autodiff().autodiff();
        let RunSettings { seed, steps, precision, .. } = config.run;
        let model = config.model.init_seeded(seed, &device)?;
        Ok(Self {
            model: OptimizedModel::new(model, config.lr(), precision),
            loss_region: loss_region(config.pretext),
            seed,
            step: 0,
            steps,
            schedule: config.schedule,
            precision,
            rank: None,
            recorder: Recorder::default(),
        })
    }

    /// The network as it stands.
    pub fn model(&self) -> &FeatureModel {
        &self.model.network
    }

    /// Hides what the masks hide, predicts the whole picture, and minimizes the squared error over the loss
    /// region of the [pretext task](Pretext): `sum(M (x - F)^2) / sum(M)` over pictures, channels and
    /// pixels, with `M` the masks or 1 everywhere. Dropout follows from seed and step.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, size, size]` in `[-1, 1]`; `masks`: `[batch, 1, size, size]`, 1 = hidden; both
    ///   on the trainer's autodiff device
    pub fn step(self, batch: &InpaintingBatch) -> (Self, Losses) {
        autocast(self.precision.dtype(), || {
            let (trainer, losses) = recorder::step(self, batch);
            (Self { step: trainer.step + 1, ..trainer }, losses)
        })
    }

    /// Replays steps as [`InpaintingTrainer::recording_steps`](crate::InpaintingTrainer::recording_steps)
    /// does.
    #[must_use]
    pub fn recording_steps(mut self) -> Self {
        if self.rank.is_none() {
            self.recorder = Recorder::on();
        }
        self
    }

    /// Whether a step is still to be recorded.
    pub fn is_about_to_record(&self) -> bool {
        self.recorder.is_about_to_record()
    }

    /// Whether steps are replayed by now.
    pub fn is_replaying(&self) -> bool {
        self.recorder.is_replaying()
    }

    /// Why steps are not replayed, where recording one failed: then they are computed as usual.
    pub fn recording_failed(&self) -> Option<&str> {
        self.recorder.failed()
    }
}

impl RecordableTrainer for FeatureTrainer {
    fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    fn models(&mut self) -> Vec<&mut dyn RecordableModel> {
        vec![&mut self.model]
    }

    fn lr_scale(&self) -> f64 {
        self.schedule.factor(self.step, self.steps)
    }

    /// What dropout keeps, `[batch, 4 width, n, n]`, 1 = kept; drawn for the whole batch, of which a rank
    /// takes its part.
    fn draw(&self, batch: &InpaintingBatch) -> Option<Tensor<4>> {
        let (config, rank) = (self.model().config(), self.rank.as_ref());
        let shape = [batch.len(), 4 * config.width, config.map_side(), config.map_side()];
        let dropout = Dropout::at_step(self.seed, self.step);
        Some(dropout.keep_mask(shape, rank.map_or(0, Rank::index), &batch.images.device()))
    }

    fn compute(
        self,
        batch: &InpaintingBatch,
        keep_mask: Option<Tensor<4>>,
        rates: Option<&[Tensor<1>]>,
    ) -> (Self, Losses) {
        let (rank, lr_scale) = (self.rank.as_ref(), self.lr_scale());
        let rates = rates.map(|rates| rates[0].clone());
        let (truth, masks) = (batch.images.clone(), batch.masks.clone());
        let loss_masks = match self.loss_region {
            LossRegion::Hidden => masks.clone(),
            LossRegion::Whole => masks.ones_like(),
        }; // [batch, 1, size, size], 1 = in the loss

        let model = &self.model.network;
        let masked = model.config().fill.apply_mask(truth.clone(), masks); // [batch, 3, size, size]
        let prediction = match keep_mask {
            Some(keep_mask) => model.predict_with_dropout(masked, keep_mask),
            None => unreachable!("dropout is drawn for every step"),
        }; // [batch, 3, size, size]

        let loss = Objective::Reconstruction.generator_loss(
            &Reconstruction::default(),
            prediction,
            truth,
            hidden_pixels(loss_masks, rank),
            |_| unreachable!("reconstruction alone asks for no logits"),
        );
        let losses = Losses::detached(&loss, None);
        let model = self.model.optimizer_step(&loss.total, lr_scale, rates, rank).sync_batch_norm_stats(rank);
        (Self { model, ..self }, losses)
    }
}

/// Which pixels the loss is over, and the scores.
fn loss_region(pretext: Pretext) -> LossRegion {
    match pretext {
        Pretext::Context => LossRegion::Hidden,
        Pretext::Autoencoder | Pretext::Denoising { .. } => LossRegion::Whole,
    }
}

impl TrainStep for FeatureTrainer {
    type Batch = InpaintingBatch;
    type Losses = Losses;

    fn step(self, batch: InpaintingBatch) -> (Self, Losses) {
        self.step(&batch)
    }
}

impl Trainer for FeatureTrainer {
    type Config = PretrainConfig;

    fn new(config: &PretrainConfig, device: &Device) -> Result<Self, TrainError> {
        Self::new(config, device)
    }

    fn set(&mut self, config: &PretrainConfig) {
        let RunSettings { steps, precision, .. } = config.run;
        if precision != self.precision {
            self.recorder.restart();
        }
        (self.steps, self.precision) = (steps, precision);
        self.model.set(config.lr(), precision);
    }

    fn recording_steps(self) -> Self {
        self.recording_steps()
    }

    fn recording_failed(&self) -> Option<&str> {
        self.recording_failed()
    }

    fn join(self, rank: Rank) -> Self {
        Self { rank: Some(rank), recorder: Recorder::default(), ..self }
    }

    fn parameter_count(&self) -> usize {
        parameter_count(self.model())
    }

    fn filler(&self, device: &Device) -> Box<dyn Fill> {
        Box::new(Reconstructor::new(self.model(), self.loss_region, device))
    }

    fn save_weights(&self, options: &SaveOptions, path: &Path) -> Result<(), TrainError> {
        Ok(self.model().valid().save_with(options, path)?)
    }

    fn write(&self, writer: &mut CheckpointWriter<'_>) -> Result<(), TrainError> {
        writer.model(MODEL, &self.model)
    }

    fn read(self, reader: &mut CheckpointReader<'_>) -> Result<Self, TrainError> {
        Ok(Self { model: reader.model(MODEL, self.model)?, step: reader.step(), ..self })
    }
}

impl Task for PretrainConfig {
    type Trainer = FeatureTrainer;

    const CHECKPOINT_KEY: &'static str = "context-encoder.pretraining-checkpoint";

    const LEARNING_RATES: &'static [&'static str] = &["lr"];

    fn run(&self) -> &RunSettings {
        &self.run
    }

    fn run_mut(&mut self) -> &mut RunSettings {
        &mut self.run
    }

    fn batch_spec(&self) -> Result<BatchSpec, TrainError> {
        Ok(BatchSpec {
            size: self.model.size,
            fill: self.model.fill,
            masks: self.pretext.mask_generator(&self.masks)?.into(),
            masks_description: self.pretext.describe(&self.masks),
            mask_sharing: MaskSharing::EachPicture,
            loss_region: loss_region(self.pretext),
        })
    }

    fn validate(&self) -> Result<(), TrainError> {
        Self::validate(self)
    }
}

/// Pictures in one forward pass of validation.
const BATCH: usize = 16;

/// Fills pictures of the network's size: the loss region comes from its prediction, everything else stays as
/// it is.
struct Reconstructor {
    model: FeatureModel,
    loss_region: LossRegion,
    device: Device,
}

impl Reconstructor {
    fn new(model: &FeatureModel, loss_region: LossRegion, device: &Device) -> Self {
        Self { model: model.valid(), loss_region, device: device.clone().without_autodiff() }
    }

    fn fill_batch(&self, pictures: &[RgbImage], masks: &[Mask]) -> Vec<RgbImage> {
        let hidden = pixel::masks_to_tensor(masks, &self.device); // [batch, 1, size, size]
        let predicted = self.model.forward(pixel::images_to_tensor(pictures, &self.device), hidden);
        let mut filled = pixel::tensor_to_images(predicted);
        if self.loss_region == LossRegion::Hidden {
            for (filled, (truth, mask)) in filled.iter_mut().zip(pictures.iter().zip(masks)) {
                for (x, y, pixel) in filled.enumerate_pixels_mut().filter(|(x, y, _)| !mask.is_hidden(*x, *y))
                {
                    *pixel = *truth.get_pixel(x, y);
                }
            }
        }
        filled
    }
}

impl Fill for Reconstructor {
    fn name(&self) -> &str {
        "context encoder"
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        Ok(self.fill_batch(std::slice::from_ref(picture), std::slice::from_ref(mask)).swap_remove(0))
    }

    fn fill_all(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<RgbImage>, InpaintError> {
        let batches = pictures.chunks(BATCH).zip(masks.chunks(BATCH));
        Ok(batches.flat_map(|(pictures, masks)| self.fill_batch(pictures, masks)).collect())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use context_encoder_loss::LossMask;
    use context_encoder_model::FeatureModelConfig;
    use image::Rgb;

    use super::*;

    const SIZE: usize = 99;

    fn config(pretext: Pretext) -> PretrainConfig {
        let config = PretrainConfig { pretext, lr: Some(2e-3), ..PretrainConfig::default() };
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

    fn value(loss: &Tensor<1>) -> f32 {
        loss.clone().into_scalar()
    }

    #[test]
    fn loss_is_over_the_region_of_each_pretext() {
        let batch = batch();
        let numbers = |x: Tensor<4>| x.into_data().try_to_vec::<f32>().expect("f32");
        for pretext in Pretext::ALL {
            let trainer = FeatureTrainer::new(&config(pretext), &Device::flex()).expect("usable");
            let model = trainer.model();
            let masked = model.config().fill.apply_mask(batch.images.clone(), batch.masks.clone());
            let keep = trainer.draw(&batch).expect("some");
            let prediction = numbers(model.predict_with_dropout(masked, keep));
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
            let (_, losses) = trainer.step(&batch);
            let loss = f64::from(value(&losses.generator.total));
            assert!((loss - sum / count).abs() < 1e-4 * loss, "{pretext}: {loss} is not {}", sum / count);
            assert!(losses.generator.adversarial.is_none() && losses.discriminator.is_none());
        }
    }

    #[test]
    fn one_batch_is_memorised() {
        for pretext in [Pretext::Context, Pretext::Autoencoder] {
            let mut batch = batch();
            if pretext == Pretext::Autoencoder {
                batch.masks = batch.masks.zeros_like();
            }
            let mut trainer = FeatureTrainer::new(&config(pretext), &Device::flex()).expect("usable");
            // Without dropout, as it is used.
            let loss = |trainer: &FeatureTrainer| {
                let [images, masks] = [&batch.images, &batch.masks].map(|part| part.clone().inner());
                let counted = if pretext == Pretext::Context { masks.clone() } else { masks.ones_like() };
                let prediction = trainer.model().valid().forward(images.clone(), masks);
                let loss = Reconstruction::default().forward(prediction, images, LossMask::Hidden(counted));
                value(&loss)
            };
            let first = loss(&trainer);
            for _ in 0..300 {
                trainer = trainer.step(&batch).0;
            }
            let last = loss(&trainer);
            assert!(last < 0.1 * first, "{pretext}: {first} to {last}");
        }
    }

    #[test]
    fn a_processor_records_nothing_and_computes_the_same() {
        let batch = batch();
        let losses = |mut trainer: FeatureTrainer| -> Vec<f32> {
            let mut values = Vec::new();
            for _ in 0..4 {
                let losses;
                (trainer, losses) = trainer.step(&batch);
                values.push(value(&losses.generator.total));
            }
            assert!(!trainer.is_about_to_record() && !trainer.is_replaying());
            values
        };
        let trainer = || FeatureTrainer::new(&config(Pretext::Context), &Device::flex()).expect("usable");
        let recording = trainer().recording_steps();
        assert!(recording.is_about_to_record());
        assert_eq!(losses(recording), losses(trainer()));
    }

    #[test]
    fn pixels_outside_the_loss_region_stay_bit_for_bit() {
        let device = Device::flex();
        let model = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&device).expect("valid");
        let picture = RgbImage::from_fn(99, 99, |x, y| Rgb([x as u8, y as u8, 200]));
        let mask = Mask::from_fn(99, 99, |x, y| x < 30 && y > 50);
        let fill =
            |region| Reconstructor::new(&model, region, &device).fill(&picture, &mask).expect("usable");
        let (hidden, whole) = (fill(LossRegion::Hidden), fill(LossRegion::Whole));
        for (x, y, pixel) in hidden.enumerate_pixels() {
            let expected = if mask.is_hidden(x, y) { &whole } else { &picture };
            assert_eq!(pixel, expected.get_pixel(x, y));
        }
        assert_ne!(whole.get_pixel(60, 10), picture.get_pixel(60, 10));
        let many = Reconstructor::new(&model, LossRegion::Whole, &device);
        let all = many.fill_all(&vec![picture.clone(); 17], &vec![mask.clone(); 17]).expect("usable");
        assert!(all.len() == 17 && all[16] == whole);
    }
}
