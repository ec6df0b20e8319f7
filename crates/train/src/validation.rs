//! How good the network is on pictures that it does not learn from, beside fills that need no network.

use std::sync::Arc;

use context_encoder_data::{Purpose, Skipped, pixel, rng_for};
use context_encoder_eval::{BorderMean, Scores, image_grid};
use context_encoder_inpaint::{Fill, Harmonic};
use context_encoder_mask::{Mask, MaskGenerator};
use image::{Rgb, RgbImage};
use serde::Serialize;

use crate::{
    TrainError,
    dataset::Dataset,
    recipe::{Asked, Recipe},
};

/// Samples on a sheet.
const SHEET_SAMPLES: usize = 8;

/// The seed of validation crops and masks: fixed, so that runs can be compared.
const VALIDATION_SEED: u64 = 0;

/// Pictures and masks of the validation part, the same in every run.
pub(crate) struct ValidationSet {
    pictures: Vec<RgbImage>,
    masks: Vec<Mask>,
    asked: Asked,
    /// What stands for hidden pixels on a sheet.
    hole: Rgb<u8>,
    /// Fills without a network give the same result every time: measured once.
    baselines: Vec<ValidationEntry>,
}

/// Mean scores of one fill over the pixels of the validation pictures that are asked of the network: the hidden ones,
/// or all where it is trained on whole pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidationEntry {
    /// The fill's name.
    pub name: String,
    /// Its scores.
    pub scores: Scores,
}

/// What a validation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Steps done.
    pub step: u64,
    /// How many pictures the means are over.
    pub pictures: usize,
    /// The network.
    pub network: Scores,
    /// Fills without a network: border mean and harmonic; none where the network is asked for visible pixels too.
    pub baselines: Vec<ValidationEntry>,
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
            self.baselines.iter().find(|entry| entry.name == name).map(|entry| entry.scores.psnr)
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
    /// Crops the pictures and draws the masks; both are the same for every run on the same data. Pictures that cannot
    /// be read are returned beside it, unless the data is strict.
    pub(crate) fn open(
        config: &impl Recipe,
        dataset: &Dataset,
        generator: &dyn MaskGenerator,
    ) -> Result<(Self, Vec<Skipped>), TrainError> {
        let (mut pictures, mut masks, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let source = &dataset.validation;
        for index in 0..source.len() {
            if pictures.len() == config.course().validation_pictures {
                break;
            }
            match source.image(0, index) {
                Ok(picture) => {
                    let view = dataset.validation_view;
                    let side = view.size();
                    let draw = |purpose| rng_for(VALIDATION_SEED, purpose, 0, index as u64);
                    pictures.push(view.apply(&picture, &mut draw(Purpose::Crop)));
                    masks.push(generator.generate(side, side, &mut draw(Purpose::Mask)));
                }
                Err(error) if dataset.strict => return Err(error.into()),
                Err(error) => refused.push(Skipped { name: source.name(index), error: Arc::new(error) }),
            }
        }
        if pictures.is_empty() {
            let reason = refused.first().map(ToString::to_string).unwrap_or_default();
            return Err(TrainError::config(format!(
                "none of the {} pictures kept to validate on (every 20th) can be read: {reason}",
                source.len()
            )));
        }
        let (asked, hole) = (config.asked(), Rgb(config.fill().rgb().map(pixel::to_u8)));
        let mut set = Self { pictures, masks, asked, hole, baselines: Vec::new() };
        let fills: &[&dyn Fill] = match asked {
            Asked::Hidden => &[&BorderMean, &Harmonic],
            // Of visible pixels, a fill without a network gives back the truth.
            Asked::Everything => &[],
        };
        for &fill in fills {
            let scores = set.scores(fill)?;
            set.baselines.push(ValidationEntry { name: fill.name().to_owned(), scores });
        }
        Ok((set, refused))
    }

    pub(crate) fn validate(&self, network: &dyn Fill, step: u64) -> Result<Validation, TrainError> {
        let network = self.scores(network)?;
        Ok(Validation { step, pictures: self.pictures.len(), network, baselines: self.baselines.clone() })
    }

    /// A sheet of the first samples: what the network sees, what it makes of it, what was there.
    pub(crate) fn sheet(&self, network: &dyn Fill) -> Result<RgbImage, TrainError> {
        let count = SHEET_SAMPLES.min(self.pictures.len());
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
            .map(|(filled, (truth, mask))| match self.asked {
                Asked::Hidden => Scores::hidden(filled, truth, mask),
                Asked::Everything => Scores::between(filled, truth),
            })
            .collect();
        Scores::mean(&scores).ok_or_else(|| TrainError::config("there is no picture to validate on"))
    }
}
