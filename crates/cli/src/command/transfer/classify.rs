//! `transfer classify`: AlexNet's classifier, fine-tuned.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::{
    data::Transform,
    transfer::{
        Fit,
        classify::{Album, Classifier, CropLessons, Exam, Keep, Question},
        voc::Voc,
    },
};
use miette::{IntoDiagnostic, Result};

use super::{Attempt, EncoderChoice, Learning, Scoreboard, TrialFolder, sets};
use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Fine-tune AlexNet's classifier and test it on ten crops of each picture.
#[derive(Args)]
pub struct Classify {
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    encoders: EncoderChoice,
    #[command(flatten)]
    learning: Learning,
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
    /// A year of PASCAL VOC instead, such as VOCdevkit/VOC2007: several classes a picture, mean average precision
    #[arg(long, value_name = "DIR", conflicts_with = "folder")]
    voc: Option<PathBuf>,
    /// VOC's sets to learn from and to test on
    #[arg(long, value_delimiter = ',', default_value = "trainval,test", value_name = "SET,SET")]
    sets: Vec<String>,
}

impl Pictures {
    /// Those of a devkit.
    pub fn of_voc(folder: &Path, sets: [&str; 2]) -> Self {
        Self { folder: None, voc: Some(folder.to_owned()), sets: sets.map(str::to_owned).to_vec() }
    }

    /// The folder of the pictures to learn from, as pretraining sees it.
    pub fn to_pretrain_on(&self) -> Result<PathBuf> {
        match &self.voc {
            Some(root) => Ok(Voc::of_year(root, 2007).into_diagnostic()?.pictures()),
            None => Ok(self.folder.clone().unwrap_or_default().join("train")),
        }
    }

    pub fn question(&self) -> Question {
        if self.voc.is_some() { Question::WhichAll } else { Question::WhichOne }
    }

    /// To learn from, and to test on.
    pub fn load(&self, keep: Keep) -> Result<[Album; 2]> {
        let albums = match (&self.voc, &self.folder) {
            (Some(root), _) => {
                let voc = Voc::of_year(root, 2007).into_diagnostic()?;
                let [train, test] = sets::pair(&self.sets)?;
                [train, test].map(|set| Album::of_voc(&voc, set, keep))
            }
            (None, folder) => {
                let folder = folder.clone().unwrap_or_default();
                ["train", "test"].map(|part| Album::of_folder(&folder.join(part), keep))
            }
        };
        let [train, test] = albums;
        let (train, test) = (train.into_diagnostic()?, test.into_diagnostic()?);
        train.expect_classes_of(&test).into_diagnostic()?;
        Ok([train, test])
    }
}

/// Albums at one size, kept from encoder to encoder.
pub struct Classes {
    pictures: Pictures,
    loaded: Option<(u32, [Album; 2])>,
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
    pub fn load(&mut self, size: usize) -> Result<&[Album; 2]> {
        let resize = shorter_side(size);
        let albums = match self.loaded.take().filter(|(kept, _)| *kept == resize) {
            Some((_, albums)) => albums,
            None => self.pictures.load(Keep::ShorterSide(resize))?,
        };
        Ok(&self.loaded.insert((resize, albums)).1)
    }

    /// Fine-tunes one encoder and returns its score, 0 to 1.
    pub fn try_one(&mut self, attempt: &Attempt<'_>) -> Result<f64> {
        let encoder = attempt.encoder()?;
        let size = encoder.config().size;
        let question = self.pictures.question();
        let [train, test] = self.load(size)?;
        let (size, resize) = (size as u32, shorter_side(size));
        let view = Transform::RandomCrop { resize, size };
        let encoder = attempt.named.suited(encoder, train.pictures.iter());
        let classifier = Classifier::new(encoder, train.classes.len(), question, attempt.named.seed);
        let own = Fit { rate: 2e-4, ..Fit::default() };
        let lessons = CropLessons { album: train, view };
        let judge = |classifier: &Classifier| Ok(Exam::sit(classifier, test, view).score());
        let fitted = attempt.teach("classify", &own, classifier, &lessons, judge)?;
        Ok(fitted.curve.score())
    }
}

impl Classify {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let trial = if self.smoke { Some(TrialFolder::draw()?) } else { None };
        let (pictures, encoders, learning) = match &trial {
            Some(trial) => (
                Pictures::of_voc(trial.path(), ["trainval", "trainval"]),
                self.encoders.tiny(),
                self.learning.with_steps(2),
            ),
            None => (self.pictures.clone(), self.encoders.clone(), self.learning.clone()),
        };
        let column = match pictures.question() {
            Question::WhichOne => "fine-tuned, accuracy",
            Question::WhichAll => "fine-tuned, mAP (11 points)",
        };
        let mut table = Scoreboard::new([column]);
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
