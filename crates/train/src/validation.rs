//! Validation: scores on pictures that are not trained on, beside fills without a network.

use std::sync::Arc;

use context_encoder_data::{Purpose, Skipped, pixel, rng_for};
use context_encoder_eval::{BorderMean, Scores, image_grid};
use context_encoder_inpaint::{Fill, Harmonic};
use context_encoder_mask::Mask;
use image::{Rgb, RgbImage};
use serde::Serialize;

use crate::{
    TrainError,
    dataset::Dataset,
    task::{BatchSpec, LossRegion},
};

/// Samples in an image grid.
const SAMPLES: usize = 8;

/// The seed of validation crops and masks: fixed, so that runs can be compared.
const VALIDATION_SEED: u64 = 0;

/// Pictures and masks of the validation split, the same in every run.
pub(crate) struct ValidationSet {
    pictures: Vec<RgbImage>,
    masks: Vec<Mask>,
    loss_region: LossRegion,
    /// Color of hidden pixels in an image grid.
    hole: Rgb<u8>,
    /// Fills without a network give the same result every time: measured once.
    baselines: Vec<(String, Scores)>,
}

/// Mean scores over the validation pictures: over their hidden pixels, or all where the loss is over whole
/// pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Steps done.
    pub step: u64,
    /// How many pictures the means are over.
    pub pictures: usize,
    /// The network.
    pub network: Scores,
    /// Fills without a network, by name: border mean and harmonic; none where the loss is over whole
    /// pictures.
    pub baselines: Vec<(String, Scores)>,
}

/// A row of `validation.csv`.
#[derive(Serialize)]
pub(crate) struct ValidationRow {
    step: u64,
    l1: f64,
    l2: f64,
    psnr: f64,
    ssim: f64,
    sharpness: f64,
    border_mean_psnr: Option<f64>,
    harmonic_psnr: Option<f64>,
}

impl Validation {
    pub(crate) fn row(&self) -> ValidationRow {
        let psnr = |name: &str| {
            self.baselines.iter().find(|(other, _)| other == name).map(|(_, scores)| scores.psnr)
        };
        let Scores { l1, l2, psnr: network, ssim, sharpness } = self.network;
        ValidationRow {
            step: self.step,
            l1,
            l2,
            psnr: network,
            ssim,
            sharpness,
            border_mean_psnr: psnr(BorderMean.name()),
            harmonic_psnr: psnr(Harmonic.name()),
        }
    }
}

impl ValidationSet {
    /// Crops the pictures and draws the masks; both are the same for every run on the same data. Pictures
    /// that cannot be read are returned beside it, unless the data is strict.
    pub(crate) fn open(
        dataset: &Dataset,
        batch: &BatchSpec,
        most: usize,
    ) -> Result<(Self, Vec<Skipped>), TrainError> {
        let (mut pictures, mut masks, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        let source = &dataset.validation;
        for index in 0..source.len() {
            if pictures.len() == most {
                break;
            }
            match source.image(0, index) {
                Ok(picture) => {
                    let transform = dataset.validation_transform;
                    let size = transform.size();
                    let draw = |purpose| rng_for(VALIDATION_SEED, purpose, 0, index as u64);
                    pictures.push(transform.apply(&picture, &mut draw(Purpose::Crop)));
                    masks.push(batch.masks.generate(size, size, &mut draw(Purpose::Mask)));
                }
                Err(error) if dataset.strict => return Err(error.into()),
                Err(error) => skipped.push(Skipped { name: source.name(index), error: Arc::new(error) }),
            }
        }
        if pictures.is_empty() {
            let reason = skipped.first().map(ToString::to_string).unwrap_or_default();
            return Err(TrainError::config(format!(
                "none of the {} pictures kept for validation (every 20th) can be read: {reason}",
                source.len()
            )));
        }
        let (loss_region, hole) = (batch.loss_region, Rgb(batch.fill.rgb().map(pixel::to_u8)));
        let mut set = Self { pictures, masks, loss_region, hole, baselines: Vec::new() };
        let fills: &[&dyn Fill] = match loss_region {
            LossRegion::Hidden => &[&BorderMean, &Harmonic],
            // At visible pixels, a fill without a network gives back the truth.
            LossRegion::Whole => &[],
        };
        for &fill in fills {
            let scores = set.scores(fill)?;
            set.baselines.push((fill.name().to_owned(), scores));
        }
        Ok((set, skipped))
    }

    pub(crate) fn validate(&self, network: &dyn Fill, step: u64) -> Result<Validation, TrainError> {
        let network = self.scores(network)?;
        Ok(Validation { step, pictures: self.pictures.len(), network, baselines: self.baselines.clone() })
    }

    /// An image grid of the first samples: input, filled, truth.
    pub(crate) fn samples(&self, network: &dyn Fill) -> Result<RgbImage, TrainError> {
        let count = SAMPLES.min(self.pictures.len());
        let (pictures, masks) = (&self.pictures[..count], &self.masks[..count]);
        let filled = network.fill_all(pictures, masks)?;
        let columns: Vec<Vec<RgbImage>> = filled
            .into_iter()
            .zip(pictures.iter().zip(masks))
            .map(|(filled, (truth, mask))| {
                vec![image_grid::with_hole(truth, mask, self.hole), filled, truth.clone()]
            })
            .collect();
        Ok(image_grid::lay_out(&columns))
    }

    fn scores(&self, fill: &dyn Fill) -> Result<Scores, TrainError> {
        let filled = fill.fill_all(&self.pictures, &self.masks)?;
        let triples = filled.iter().zip(self.pictures.iter().zip(&self.masks));
        let scores: Vec<Scores> = triples
            .map(|(filled, (truth, mask))| match self.loss_region {
                LossRegion::Hidden => Scores::hidden(filled, truth, mask),
                LossRegion::Whole => Scores::between(filled, truth),
            })
            .collect();
        Scores::mean(&scores).ok_or_else(|| TrainError::config("there is no picture to validate on"))
    }
}
