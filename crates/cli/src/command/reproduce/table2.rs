//! `reproduce table2`: the paper's Table 2 beside ours.

use std::path::PathBuf;

use clap::Args;
use context_encoder::transfer::{segment::Stride, voc::Voc};
use miette::{IntoDiagnostic, Result, miette};

use super::baselines::Baselines;
use crate::{
    command::transfer::{
        Attempt, Classes, DetectArgs, LearningArgs, Masks, Objects, Pictures, ResultTable, SmokeDir,
    },
    device::DeviceChoice,
    outcome::Outcome,
    output::Output,
    table::Table,
};

/// Classification and detection on VOC 2007, segmentation on VOC 2012.
#[derive(Args)]
pub struct Table2 {
    /// The development kit: a folder with VOC2007 and VOC2012
    #[arg(long, value_name = "DIR", required_unless_present = "smoke")]
    voc: Option<PathBuf>,
    #[command(flatten)]
    baselines: Baselines,
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

/// The paper's Table 2: classification mAP and detection mAP on VOC 2007, mean IU on VOC 2012, percent.
const PAPER: [(&str, [Option<f64>; 3]); 7] = [
    ("ImageNet labels, 3 days", [Some(78.2), Some(56.8), Some(48.0)]),
    ("random Gaussian", [Some(53.3), Some(43.4), Some(19.8)]),
    ("autoencoder, 14 h", [Some(53.8), Some(41.9), Some(25.2)]),
    ("egomotion (Agrawal)", [Some(52.9), Some(41.8), None]),
    ("relative position (Doersch), 4 weeks", [Some(55.3), Some(46.6), None]),
    ("tracking (Wang)", [Some(58.7), Some(47.4), None]),
    ("context encoder, 14 h", [Some(56.5), Some(44.5), Some(30.0)]),
];

/// Columns of both tables.
const COLUMNS: [&str; 3] = ["classification, mAP", "detection, mAP", "segmentation, mean IU"];

impl Table2 {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let trial = if self.smoke { Some(SmokeDir::draw()?) } else { None };
        let (root, baselines, look, learning, reach) = match (&trial, &self.voc) {
            (Some(trial), _) => {
                let learning = self.learning.with_steps(2);
                (trial.path().to_owned(), self.baselines.tiny(trial.path()), self.look.tiny(), learning, 3)
            }
            (None, Some(voc)) => {
                (voc.clone(), self.baselines.clone(), self.look.clone(), self.learning.clone(), 7)
            }
            (None, None) => return Err(miette!("name the development kit: `--voc DIR`")),
        };
        // Everything is looked for before anything is computed.
        let masks = Masks::load(&root, ["train", "val"], Stride::S32, reach)?;
        let objects = Objects::load(&root, ["trainval", "test"], &look)?;
        let mut classes = Classes::new(Pictures::from_voc(&root, ["trainval", "test"]));
        classes.load(baselines.size()?)?;
        let mut table = ResultTable::new(COLUMNS);
        let pictures = Voc::of_year(&root, 2012).into_diagnostic()?.pictures();
        for named in baselines.ready(&pictures, &device, output)? {
            let attempt = Attempt { named: &named, learning: &learning, device: &device, output };
            let classification = classes.try_one(&attempt)?;
            let [detection, _] = objects.try_one(&attempt)?;
            let segmentation = masks.try_one(&attempt)?;
            output.note(format_args!(
                "{} {}: classification {:.1} %, detection {:.1} %, segmentation {:.1} %",
                named.name,
                named.seed,
                100.0 * classification,
                100.0 * detection,
                100.0 * segmentation
            ));
            table.add(&named, &[classification, detection, segmentation], output);
        }
        output.result(if self.smoke { "ours, a trial on pictures drawn by the program" } else { "ours" });
        table.show(output);
        output.result("\nthe paper");
        let [classification, detection, segmentation] = COLUMNS;
        let mut paper = Table::new(&["pretraining", classification, detection, segmentation]);
        for (name, scores) in PAPER {
            let cells = scores.map(|score| score.map_or("-".to_owned(), |score| format!("{score:.1}")));
            paper.push(std::iter::once(name.to_owned()).chain(cells));
        }
        output.result(paper.markdown().trim_end());
        Ok(Outcome::Complete)
    }
}
