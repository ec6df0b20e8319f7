//! `transfer detect`: Fast R-CNN, fine-tuned.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::transfer::{DetectionSample, Detector, Fit, Metrics, Voc};
use miette::{IntoDiagnostic, Result};

use super::{
    Attempt, SmokeFolder, TrainingArgs,
    classify::two_sets,
    comparison::{ComparisonArgs, Task},
};
use crate::console::{Console, ExitStatus};

/// Fine-tune Fast R-CNN on boxes.
#[derive(Args)]
pub struct Detect {
    /// A year in VOC's layout, such as VOCdevkit/VOC2007
    #[arg(value_name = "DIR", required_unless_present = "smoke")]
    voc: Option<PathBuf>,
    /// Training set and test set
    #[arg(long, value_delimiter = ',', default_value = "trainval,test", value_name = "SET,SET")]
    sets: Vec<String>,
    #[command(flatten)]
    comparison: ComparisonArgs,
    #[command(flatten)]
    proposals: ProposalArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

/// The size of the pictures and their proposals.
#[derive(Args, Clone, Debug)]
pub struct ProposalArgs {
    /// Shorter side of the pictures, pixels
    #[arg(long, default_value_t = 600, value_name = "PIXELS")]
    side: u32,
    /// Where objects might be, one JSON object a line: {"picture": "000001", "boxes": [[left, top, right,
    /// bottom], ...]}, in pixels from 0, right and bottom exclusive; without it, windows are ranked by
    /// their edges
    #[arg(long, value_name = "FILE")]
    proposals: Option<PathBuf>,
    /// Proposals a picture when they are ranked by edges
    #[arg(long, default_value_t = 1000, value_name = "N")]
    count: usize,
}

impl ProposalArgs {
    /// Those of tiny pictures.
    pub fn tiny() -> Self {
        Self { side: 160, proposals: None, count: 100 }
    }
}

impl Detect {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        self.comparison.run(&self.training, console, |smoke: Option<&SmokeFolder>| match smoke {
            Some(smoke) => DetectTask::load(smoke.path(), ["trainval"; 2], &ProposalArgs::tiny(), console),
            None => {
                let voc = self.voc.clone().unwrap_or_default();
                DetectTask::load(&voc, two_sets(&self.sets)?, &self.proposals, console)
            }
        })
    }
}

/// Fine-tunes a detector.
pub struct DetectTask {
    /// Folder, sets and proposals, in words.
    data: String,
    sets: [Vec<DetectionSample>; 2],
    classes: usize,
}

impl DetectTask {
    pub fn load(root: &Path, sets: [&str; 2], args: &ProposalArgs, console: &Console) -> Result<Self> {
        let voc = Voc::of_year(root, 2007).into_diagnostic()?;
        let given = args.proposals.as_deref().map(DetectionSample::read_proposals);
        let given = given.transpose().into_diagnostic()?;
        let [train, test] =
            sets.map(|set| DetectionSample::from_voc(&voc, set, args.side, given.as_ref(), args.count));
        let data = format!("{} {sets:?} {args:?}", voc.images().display());
        let sets = [train.into_diagnostic()?, test.into_diagnostic()?];
        let [at_half, at_seven_tenths] = [0.5, 0.7].map(|iou| 100.0 * DetectionSample::recall(&sets[1], iou));
        let proposals: usize = sets[1].iter().map(|sample| sample.proposals.len()).sum();
        console.note(format_args!(
            "proposals: {} a picture cover {at_half:.1} % of the objects to detect at an overlap of 0.5, {at_seven_tenths:.1} % at 0.7",
            proposals / sets[1].len().max(1)
        ));
        Ok(Self { data, sets, classes: voc.classes().len() })
    }
}

impl Task for DetectTask {
    fn columns(&self) -> Vec<String> {
        ["mAP (11 points)", "mAP (all points)"].map(str::to_owned).to_vec()
    }

    fn run(&mut self, attempt: &Attempt<'_>) -> Result<Vec<f64>> {
        let [train, test] = &self.sets;
        let head = || {
            let images = train.iter().map(|sample| &sample.image);
            let encoder = attempt.encoder.init_from(attempt.load()?, images);
            Ok(Detector::new(encoder, self.classes, attempt.encoder.seed))
        };
        let default = Fit { steps: 5000, batch_size: 2, lr: 2e-4, ..Fit::default() };
        match attempt.train("detect", &self.data, &default, head, [train, test])? {
            Metrics::MeanAveragePrecision { eleven_point, all_point } => Ok(vec![eleven_point, all_point]),
            metrics => unreachable!("a detector has mean average precision, not {metrics:?}"),
        }
    }
}
