//! The losses of a step: on the device, averaged over ranks, and read.

use burn::tensor::{Device, Tensor};
use context_encoder_loss::{DiscriminatorLoss, GeneratorLoss, LossMask};
use serde::{Deserialize, Serialize};

use crate::{TrainError, data_parallel::Rank};

/// The optimized losses of one step, still on the device.
pub struct Losses {
    /// The generator's loss.
    pub generator: GeneratorLoss,
    /// The discriminator's loss, when there is one.
    pub discriminator: Option<DiscriminatorLoss>,
}

impl Losses {
    /// Detached, so that a report does not keep the graph of a whole step alive.
    pub(crate) fn detached(generator: &GeneratorLoss, discriminator: Option<DiscriminatorLoss>) -> Self {
        let generator = GeneratorLoss {
            reconstruction: generator.reconstruction.clone().map(Tensor::detach),
            adversarial: generator.adversarial.clone().map(Tensor::detach),
            total: generator.total.clone().detach(),
        };
        Self { generator, discriminator }
    }

    /// The means over ranks, on one device. Their parts of a batch are equal, and a reconstruction loss is
    /// divided by the count of the whole batch
    /// ([`LossMask::HiddenShard`](context_encoder_loss::LossMask::HiddenShard)), so these are the losses
    /// of the whole batch.
    pub(crate) fn mean(ranks: &[Self], device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let mean = |term: usize| {
            let of_rank = |rank: &Self| Some(rank.terms()[term]?.clone().inner().to_device(&device));
            let sum = ranks.iter().filter_map(of_rank).reduce(|sum, loss| sum + loss)?;
            Some(sum.div_scalar(ranks.len() as f64))
        };
        let [total, reconstruction, adversarial, discriminator, real, fake] = [0, 1, 2, 3, 4, 5].map(mean);
        let total = total.unwrap_or_else(|| Tensor::zeros([1], &device));
        Self {
            generator: GeneratorLoss { reconstruction, adversarial, total },
            discriminator: match (real, fake, discriminator) {
                (Some(real), Some(fake), Some(total)) => Some(DiscriminatorLoss { real, fake, total }),
                _ => None,
            },
        }
    }

    /// All terms in the order of [`TERMS`].
    fn terms(&self) -> [Option<&Tensor<1>>; 6] {
        let Self { generator, discriminator } = self;
        let discriminator = discriminator.as_ref();
        [
            Some(&generator.total),
            generator.reconstruction.as_ref(),
            generator.adversarial.as_ref(),
            discriminator.map(|loss| &loss.total),
            discriminator.map(|loss| &loss.real),
            discriminator.map(|loss| &loss.fake),
        ]
    }
}

/// The pixels that the loss is over, by their masks `[batch, 1, height, width]`, 1 = hidden; with several
/// ranks the loss is divided by the hidden pixels of the whole batch.
pub(crate) fn hidden_pixels(masks: Tensor<4>, rank: Option<&Rank>) -> LossMask {
    match rank {
        None => LossMask::Hidden(masks),
        Some(rank) => {
            let hidden = rank.mean(vec![masks.clone().inner().sum()]).swap_remove(0);
            LossMask::HiddenShard { masks, mean_hidden: Tensor::from_inner(hidden) }
        }
    }
}

/// Names of a step's losses, in the order of the columns of `log.csv`.
const TERMS: [&str; 6] = ["generator", "reconstruction", "adversarial", "discriminator", "real", "fake"];

/// The optimized losses of one step; empty where the objective has no such term. A row of `log.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step, counted from 1.
    pub step: u64,
    /// Epochs completed before it.
    pub epoch: u64,
    /// Pictures seen, this step's included.
    pub samples: u64,
    /// The generator's loss.
    pub generator: f32,
    /// Its reconstruction term, unweighted.
    pub reconstruction: Option<f32>,
    /// Its adversarial term, unweighted.
    pub adversarial: Option<f32>,
    /// The discriminator's loss.
    pub discriminator: Option<f32>,
    /// Its term of true patches.
    pub real: Option<f32>,
    /// Its term of predictions.
    pub fake: Option<f32>,
    /// Percentage of the time that went by before a batch was there, 0 to 100, between two readings of the
    /// device: the same for all steps that were read together.
    pub data_wait: f32,
}

impl StepRecord {
    /// Reads the losses of steps, each with its number, from the device in one transfer.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] for the first step with a loss that is NaN or infinite.
    pub(crate) fn read(
        steps: &[(u64, Losses)],
        batch_size: u64,
        steps_per_epoch: u64,
    ) -> Result<Vec<Self>, TrainError> {
        let terms = steps.iter().flat_map(|(_, losses)| losses.terms()).flatten().cloned();
        let tensors: Vec<Tensor<1>> = terms.collect();
        if tensors.is_empty() {
            return Ok(Vec::new());
        }
        let values = Tensor::cat(tensors, 0).into_data().convert::<f32>();
        let mut values = values.iter::<f32>();
        let mut records = Vec::new();
        for (step, losses) in steps {
            let [generator, reconstruction, adversarial, discriminator, real, fake] =
                losses.terms().map(|term| term.map(|_| values.next().unwrap_or(f32::NAN)));
            let record = Self {
                step: *step,
                epoch: (step - 1) / steps_per_epoch,
                samples: step * batch_size,
                generator: generator.unwrap_or(f32::NAN),
                reconstruction,
                adversarial,
                discriminator,
                real,
                fake,
                data_wait: 0.0,
            };
            if let Some((name, _)) = record.terms().find(|(_, value)| !value.is_finite()) {
                return Err(TrainError::NotFinite { what: format!("the loss `{name}`"), step: record.step });
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Every optimized loss with its name, in the order of the columns.
    pub fn terms(&self) -> impl Iterator<Item = (&'static str, f32)> {
        let Self { reconstruction, adversarial, discriminator, real, fake, .. } = *self;
        let values = [Some(self.generator), reconstruction, adversarial, discriminator, real, fake];
        TERMS.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(values: [f32; 6]) -> Losses {
        let [total, reconstruction, adversarial, discriminator, real, fake] =
            values.map(|value| Tensor::<1>::from_floats([value], &Device::flex()));
        Losses {
            generator: GeneratorLoss {
                reconstruction: Some(reconstruction),
                adversarial: Some(adversarial),
                total,
            },
            discriminator: Some(DiscriminatorLoss { real, fake, total: discriminator }),
        }
    }

    #[test]
    fn values_come_back_under_their_names() {
        let mut lone = losses([7.0; 6]);
        lone.discriminator = None;
        lone.generator.adversarial = None;
        let steps = [(3, losses([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), (4, lone)];
        let records = StepRecord::read(&steps, 4, 2).expect("finite");
        let expected = [
            ("generator", 1.0),
            ("reconstruction", 2.0),
            ("adversarial", 3.0),
            ("discriminator", 4.0),
            ("real", 5.0),
            ("fake", 6.0),
        ];
        assert_eq!(records[0].terms().collect::<Vec<_>>(), expected);
        assert_eq!((records[1].step, records[1].epoch, records[1].samples), (4, 1, 16));
        assert_eq!(records[1].terms().collect::<Vec<_>>(), [("generator", 7.0), ("reconstruction", 7.0)]);
        assert!(StepRecord::read(&[], 4, 2).expect("no steps").is_empty());
    }

    #[test]
    fn first_step_that_is_not_finite_is_named() {
        let steps = [
            (8, losses([1.0; 6])),
            (9, losses([1.0, 1.0, f32::NAN, 1.0, 1.0, 1.0])),
            (10, losses([f32::INFINITY; 6])),
        ];
        let error = StepRecord::read(&steps, 4, 2).expect_err("not finite").to_string();
        assert!(error.contains("`adversarial` is not a finite number at step 9"), "{error}");
    }
}
