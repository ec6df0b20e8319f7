//! `transfer detect`: Fast R-CNN, fine-tuned.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::transfer::{
    Fit,
    detect::{DetectionSample, DetectionSource, Detector, Sampling, detection_precisions, proposals},
    metric::{Interpolation, mean},
    voc::Voc,
};
use miette::{IntoDiagnostic, Result};

use super::{Attempt, EncoderArgs, LearningArgs, ResultTable, SmokeDir, sets};
use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Fine-tune Fast R-CNN on boxes.
#[derive(Args)]
pub struct Detect {
    /// A year in VOC's layout, such as VOCdevkit/VOC2007
    #[arg(value_name = "DIR", required_unless_present = "smoke")]
    voc: Option<PathBuf>,
    /// Sets to learn from and to test on
    #[arg(long, value_delimiter = ',', default_value = "trainval,test", value_name = "SET,SET")]
    sets: Vec<String>,
    #[command(flatten)]
    encoders: EncoderArgs,
    #[command(flatten)]
    look: DetectArgs,
    #[command(flatten)]
    learning: LearningArgs,
    #[command(flatten)]
    device: DeviceChoice,
    /// A few steps on pictures drawn by the program, to see that everything works
    #[arg(long)]
    smoke: bool,
}

/// How pictures are looked at.
#[derive(Args, Clone)]
pub struct DetectArgs {
    /// Shorter side of the pictures, pixels
    #[arg(long, default_value_t = 600, value_name = "PIXELS")]
    side: u32,
    /// Where objects might be, one JSON object a line: {"picture": "000001", "boxes": [[left, top, right,
    /// bottom], ...]}, in pixels from 0, right and bottom outside; without it, windows are ranked by
    /// their edges
    #[arg(long, value_name = "FILE")]
    proposals: Option<PathBuf>,
    /// Proposals a picture when they are made here
    #[arg(long, default_value_t = 1000, value_name = "N")]
    count: usize,
}

impl DetectArgs {
    /// As for tiny pictures.
    pub fn tiny(&self) -> Self {
        Self { side: 160, proposals: None, count: 100 }
    }
}

impl Default for DetectArgs {
    fn default() -> Self {
        Self { side: 600, proposals: None, count: 1000 }
    }
}

/// Scenes of two sets.
pub struct Objects {
    parts: [Vec<DetectionSample>; 2],
    classes: usize,
}

impl Objects {
    pub fn load(root: &Path, sets: [&str; 2], look: &DetectArgs) -> Result<Self> {
        let voc = Voc::of_year(root, 2007).into_diagnostic()?;
        let given = look.proposals.as_deref().map(proposals::read).transpose().into_diagnostic()?;
        let [train, test] =
            sets.map(|set| DetectionSample::from_voc(&voc, set, look.side, given.as_ref(), look.count));
        Ok(Self { parts: [train.into_diagnostic()?, test.into_diagnostic()?], classes: voc.classes().len() })
    }

    /// Fine-tunes one encoder and returns its mean average precision at an overlap of one half: of eleven
    /// points, and of all.
    pub fn try_one(&self, attempt: &Attempt<'_>) -> Result<[f64; 2]> {
        let [train, test] = &self.parts;
        let pictures = train.iter().map(|sample| &sample.picture);
        let encoder = attempt.named.initialized(attempt.encoder()?, pictures);
        let detector = Detector::new(encoder, self.classes, attempt.named.seed);
        let own = Fit { batch_size: 2, lr: 2e-4, ..Fit::default() };
        let source = DetectionSource { samples: train, classes: self.classes, sampling: Sampling::default() };
        let score = |detector: &Detector, how| mean(&detection_precisions(detector, test, self.classes, how));
        let judge = |detector: &Detector| Ok(score(detector, Interpolation::ElevenPoint));
        let fitted = attempt.train("detect", &own, detector, &source, judge)?;
        Ok([fitted.curve.score(), score(&fitted.head, Interpolation::AllPoint)])
    }
}

impl Detect {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let trial = if self.smoke { Some(SmokeDir::draw()?) } else { None };
        let (objects, encoders, learning) = match &trial {
            Some(trial) => (
                Objects::load(trial.path(), ["trainval", "trainval"], &self.look.tiny())?,
                self.encoders.tiny(),
                self.learning.with_steps(2),
            ),
            None => (
                Objects::load(&self.voc.clone().unwrap_or_default(), sets::pair(&self.sets)?, &self.look)?,
                self.encoders.clone(),
                self.learning.clone(),
            ),
        };
        let mut table = ResultTable::new(["mAP (11 points)", "mAP (all points)"]);
        for named in encoders.all()? {
            let attempt = Attempt { named: &named, learning: &learning, device: &device, output };
            let scores = objects.try_one(&attempt)?;
            output.note(format_args!("{} {}: {:.1} %", named.name, named.seed, 100.0 * scores[0]));
            table.add(&named, &scores, output);
        }
        table.show(output);
        Ok(Outcome::Complete)
    }
}
