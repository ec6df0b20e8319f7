//! `transfer classify`: AlexNet's classifier, fine-tuned.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::{
    data::Transform,
    transfer::{
        Fit,
        classify::{Classification, Classifier, CropSource, LabeledDataset, Metrics, Resize},
        voc::Voc,
    },
};
use miette::{IntoDiagnostic, Result};

use super::{Attempt, EncoderArgs, LearningArgs, ResultTable, SmokeDir, sets};
use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Fine-tune AlexNet's classifier and test it on ten crops of each picture.
#[derive(Args)]
pub struct Classify {
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    encoders: EncoderArgs,
    #[command(flatten)]
    learning: LearningArgs,
    #[command(flatten)]
    device: DeviceChoice,
    /// A few steps on pictures drawn by the program, to see that everything works
    #[arg(long)]
    smoke: bool,
}

/// Pictures whose classes are known.
#[derive(Args, Clone)]
pub struct Pictures {
    /// Folder with train/CLASS/*.jpg and test/CLASS/*.jpg
    #[arg(value_name = "DIR", required_unless_present_any = ["voc", "smoke"])]
    folder: Option<PathBuf>,
    /// A year of PASCAL VOC instead, such as VOCdevkit/VOC2007: several classes a picture, mean average
    /// precision
    #[arg(long, value_name = "DIR", conflicts_with = "folder")]
    voc: Option<PathBuf>,
    /// VOC's sets to learn from and to test on
    #[arg(long, value_delimiter = ',', default_value = "trainval,test", value_name = "SET,SET")]
    sets: Vec<String>,
}

impl Pictures {
    /// Those of a devkit.
    pub fn from_voc(folder: &Path, sets: [&str; 2]) -> Self {
        Self { folder: None, voc: Some(folder.to_owned()), sets: sets.map(str::to_owned).to_vec() }
    }

    /// The folder of the pictures to learn from, as pretraining sees it.
    pub fn to_pretrain_on(&self) -> Result<PathBuf> {
        match &self.voc {
            Some(root) => Ok(Voc::of_year(root, 2007).into_diagnostic()?.pictures()),
            None => Ok(self.folder.clone().unwrap_or_default().join("train")),
        }
    }

    pub fn classification(&self) -> Classification {
        if self.voc.is_some() { Classification::MultiLabel } else { Classification::SingleLabel }
    }

    /// To learn from, and to test on.
    pub fn load(&self, keep: Resize) -> Result<[LabeledDataset; 2]> {
        let datasets = match (&self.voc, &self.folder) {
            (Some(root), _) => {
                let voc = Voc::of_year(root, 2007).into_diagnostic()?;
                let [train, test] = sets::pair(&self.sets)?;
                [train, test].map(|set| LabeledDataset::from_voc(&voc, set, keep))
            }
            (None, folder) => {
                let folder = folder.clone().unwrap_or_default();
                ["train", "test"].map(|part| LabeledDataset::from_folder(&folder.join(part), keep))
            }
        };
        let [train, test] = datasets;
        let (train, test) = (train.into_diagnostic()?, test.into_diagnostic()?);
        train.expect_classes_of(&test).into_diagnostic()?;
        Ok([train, test])
    }
}

/// Albums at one size, kept from encoder to encoder.
pub struct Classes {
    pictures: Pictures,
    loaded: Option<(u32, [LabeledDataset; 2])>,
}

/// Crops are this part of the shorter side (AlexNet: 227 of 256).
const CROP: f64 = 227.0 / 256.0;

/// Shorter side of the pictures that crops of `size` are cut from.
pub fn shorter_side(size: usize) -> u32 {
    (size as f64 / CROP).round() as u32
}

impl Classes {
    pub fn new(pictures: Pictures) -> Self {
        Self { pictures, loaded: None }
    }

    /// The pictures for encoders of a size, read unless they are there.
    pub fn load(&mut self, size: usize) -> Result<&[LabeledDataset; 2]> {
        let resize = shorter_side(size);
        let datasets = match self.loaded.take().filter(|(kept, _)| *kept == resize) {
            Some((_, datasets)) => datasets,
            None => self.pictures.load(Resize::ShorterSide(resize))?,
        };
        Ok(&self.loaded.insert((resize, datasets)).1)
    }

    /// Fine-tunes one encoder and returns its score, 0 to 1.
    pub fn try_one(&mut self, attempt: &Attempt<'_>) -> Result<f64> {
        let encoder = attempt.encoder()?;
        let size = encoder.config().size;
        let classification = self.pictures.classification();
        let [train, test] = self.load(size)?;
        let (size, resize) = (size as u32, shorter_side(size));
        let view = Transform::RandomCrop { resize, size };
        let encoder = attempt.named.initialized(encoder, train.pictures.iter());
        let classifier = Classifier::new(encoder, train.classes.len(), classification, attempt.named.seed);
        let own = Fit { lr: 2e-4, ..Fit::default() };
        let source = CropSource { dataset: train, view };
        let judge = |classifier: &Classifier| Ok(Metrics::evaluate(classifier, test, view).score());
        let fitted = attempt.train("classify", &own, classifier, &source, judge)?;
        Ok(fitted.curve.score())
    }
}

impl Classify {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let trial = if self.smoke { Some(SmokeDir::draw()?) } else { None };
        let (pictures, encoders, learning) = match &trial {
            Some(trial) => (
                Pictures::from_voc(trial.path(), ["trainval", "trainval"]),
                self.encoders.tiny(),
                self.learning.with_steps(2),
            ),
            None => (self.pictures.clone(), self.encoders.clone(), self.learning.clone()),
        };
        let column = match pictures.classification() {
            Classification::SingleLabel => "fine-tuned, accuracy",
            Classification::MultiLabel => "fine-tuned, mAP (11 points)",
        };
        let mut table = ResultTable::new([column]);
        let mut classes = Classes::new(pictures);
        for named in encoders.all()? {
            let attempt = Attempt { named: &named, learning: &learning, device: &device, output };
            let score = classes.try_one(&attempt)?;
            output.note(format_args!("{} {}: {:.1} %", named.name, named.seed, 100.0 * score));
            table.add(&named, &[score], output);
        }
        table.show(output);
        Ok(Outcome::Complete)
    }
}
