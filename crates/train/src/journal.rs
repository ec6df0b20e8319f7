//! Every optimised number of every step, and how long steps waited for pictures, as CSV.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use burn::tensor::Tensor;
use context_encoder_files::atomic_write;
use serde::{Deserialize, Serialize};

use crate::{StepTerms, TrainError};

/// The optimised numbers of one step; empty where the objective has no such term.
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
    /// Percentage of the time that went by before a batch was there, 0 to 100. The same for all steps that were read
    /// from the device together, the time between two readings being what it is a share of.
    pub waiting: f32,
}

impl StepRecord {
    /// Every optimised number with its name, in the order of the columns.
    pub fn terms(&self) -> impl Iterator<Item = (&'static str, f32)> {
        [
            ("generator", Some(self.generator)),
            ("reconstruction", self.reconstruction),
            ("adversarial", self.adversarial),
            ("discriminator", self.discriminator),
            ("real", self.real),
            ("fake", self.fake),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Where in the run a step stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepNumber {
    pub(crate) step: u64,
    pub(crate) epoch: u64,
    pub(crate) samples: u64,
}

/// Steps whose numbers are still on the device; read together, once an interval.
#[derive(Default)]
pub(crate) struct Pending(Vec<(StepNumber, StepTerms)>);

impl Pending {
    pub(crate) fn push(&mut self, number: StepNumber, terms: StepTerms) {
        self.0.push((number, terms));
    }

    /// Reads all numbers in one transfer; then `waiting` is asked which percentage of the time was.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] for the first step with a number that is none.
    pub(crate) fn read(&mut self, waiting: impl FnOnce() -> f32) -> Result<Vec<StepRecord>, TrainError> {
        let steps = std::mem::take(&mut self.0);
        let tensors: Vec<Tensor<1>> = steps.iter().flat_map(|(_, terms)| tensors(terms)).collect();
        if tensors.is_empty() {
            return Ok(Vec::new());
        }
        let values = Tensor::cat(tensors, 0).into_data().convert::<f32>();
        let waiting = waiting();
        let mut values = values.iter::<f32>();
        let mut next = || values.next().unwrap_or(f32::NAN);
        let records = steps
            .iter()
            .map(|(number, terms)| record(*number, terms, waiting, &mut next))
            .collect::<Vec<_>>();
        for record in &records {
            if let Some((name, _)) = record.terms().find(|(_, value)| !value.is_finite()) {
                return Err(TrainError::NotFinite { what: format!("the loss `{name}`"), step: record.step });
            }
        }
        Ok(records)
    }
}

/// A step's numbers, in the order in which [`record`] takes them back.
fn tensors(terms: &StepTerms) -> Vec<Tensor<1>> {
    let generator = &terms.generator;
    let discriminator = terms.discriminator.iter().flat_map(|d| [&d.total, &d.real, &d.fake]);
    [&generator.total]
        .into_iter()
        .chain(&generator.reconstruction)
        .chain(&generator.adversarial)
        .chain(discriminator)
        .cloned()
        .collect()
}

fn record(number: StepNumber, terms: &StepTerms, waiting: f32, next: &mut impl FnMut() -> f32) -> StepRecord {
    let StepNumber { step, epoch, samples } = number;
    let generator = next();
    let reconstruction = terms.generator.reconstruction.is_some().then(&mut *next);
    let adversarial = terms.generator.adversarial.is_some().then(&mut *next);
    let [discriminator, real, fake] = [(); 3].map(|()| terms.discriminator.is_some().then(&mut *next));
    StepRecord {
        step,
        epoch,
        samples,
        generator,
        reconstruction,
        adversarial,
        discriminator,
        real,
        fake,
        waiting,
    }
}

/// A CSV file that grows with a run.
pub(crate) struct Journal {
    writer: csv::Writer<File>,
    path: PathBuf,
}

impl Journal {
    /// Opens a file for appending; rows after `step` are dropped first, since a resumed run writes them
    /// anew. `step` is the first column.
    pub(crate) fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let failed =
            |source: std::io::Error| TrainError::Io { action: "write", path: path.to_owned(), source };
        cut_after(path, step).map_err(failed)?;
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        let empty = file.metadata().map_err(failed)?.len() == 0;
        let writer = csv::WriterBuilder::new().has_headers(empty).from_writer(file);
        Ok(Self { writer, path: path.to_owned() })
    }

    pub(crate) fn append<R: Serialize>(&mut self, rows: &[R]) -> Result<(), TrainError> {
        let failed =
            |source: std::io::Error| TrainError::Io { action: "write", path: self.path.clone(), source };
        for row in rows {
            self.writer.serialize(row).map_err(|error| failed(error.into()))?;
        }
        self.writer.flush().map_err(failed)
    }
}

/// Keeps the header and the rows up to `step`, atomically.
fn cut_after(path: &Path, step: u64) -> std::io::Result<()> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let of_step = |line: &str| line.split(',').next().and_then(|column| column.parse::<u64>().ok());
    let complete = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let kept: String = complete
        .enumerate()
        .filter(|(row, line)| *row == 0 || of_step(line).is_some_and(|s| s <= step))
        .map(|(_, line)| line)
        .collect();
    if kept == text {
        return Ok(());
    }
    atomic_write(path, kept.as_bytes())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use context_encoder_loss::{DiscriminatorLoss, GeneratorLoss};

    use super::*;

    fn terms(values: [f32; 6]) -> StepTerms {
        let [total, reconstruction, adversarial, discriminator, real, fake] =
            values.map(|value| Tensor::<1>::from_floats([value], &Device::flex()));
        StepTerms {
            generator: GeneratorLoss {
                reconstruction: Some(reconstruction),
                adversarial: Some(adversarial),
                total,
            },
            discriminator: Some(DiscriminatorLoss { real, fake, total: discriminator }),
        }
    }

    fn number(step: u64) -> StepNumber {
        StepNumber { step, epoch: 0, samples: step * 4 }
    }

    #[test]
    fn numbers_come_back_under_their_names() {
        let mut pending = Pending::default();
        pending.push(number(1), terms([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let mut lone = terms([7.0; 6]);
        lone.discriminator = None;
        lone.generator.adversarial = None;
        pending.push(number(2), lone);
        let records = pending.read(|| 2.5).expect("finite");
        let expected = [
            ("generator", 1.0),
            ("reconstruction", 2.0),
            ("adversarial", 3.0),
            ("discriminator", 4.0),
            ("real", 5.0),
            ("fake", 6.0),
        ];
        assert_eq!(records[0].terms().collect::<Vec<_>>(), expected);
        assert_eq!(records[0].waiting, 2.5);
        assert_eq!(records[1].terms().collect::<Vec<_>>(), [("generator", 7.0), ("reconstruction", 7.0)]);
        assert!(pending.read(|| 2.5).expect("nothing left").is_empty());
    }

    #[test]
    fn the_first_step_without_a_number_is_named() {
        let mut pending = Pending::default();
        pending.push(number(8), terms([1.0; 6]));
        pending.push(number(9), terms([1.0, 1.0, f32::NAN, 1.0, 1.0, 1.0]));
        pending.push(number(10), terms([f32::INFINITY; 6]));
        let error = pending.read(|| 2.5).expect_err("not finite").to_string();
        assert!(error.contains("`adversarial` is not a finite number at step 9"), "{error}");
    }

    #[test]
    fn a_resumed_journal_forgets_what_comes_again() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log.csv");
        let record = |step| {
            let mut pending = Pending::default();
            pending.push(number(step), terms([0.5; 6]));
            pending.read(|| 2.5).expect("finite")[0]
        };
        let rows: Vec<StepRecord> = (1..=5).map(record).collect();
        Journal::open(&path, 0).expect("new").append(&rows).expect("written");
        let whole = fs::read_to_string(&path).expect("file");
        fs::write(&path, format!("{whole}6,0,24,0.")).expect("a row cut short");
        Journal::open(&path, 3).expect("resumed").append(&rows[3..]).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("file"), whole);
        assert_eq!(
            whole.lines().next(),
            Some("step,epoch,samples,generator,reconstruction,adversarial,discriminator,real,fake,waiting")
        );
    }
}
