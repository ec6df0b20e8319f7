//! `reproduce`: the paper's experiments, from pretraining to the table.

mod baselines;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use context_encoder::transfer::{Stride, Voc};
use miette::{IntoDiagnostic, Result, miette};

use super::transfer::{
    Attempt, ClassifyTask, DatasetArgs, DetectTask, LayersArgs, ProbeTask, ProposalArgs, ResultTable,
    SegmentTask, SmokeFolder, Task, TrainingArgs,
};
use crate::{
    console::{Console, ExitStatus, Table},
    device::DeviceArgs,
};
use baselines::Baselines;

#[derive(Subcommand)]
pub enum Reproduce {
    /// Classification, detection and segmentation on PASCAL VOC, beside the paper's figures (Table 2)
    Table2(Table2),
    /// Classification alone, on a folder of classes: fine-tuned, and by a linear classifier on frozen layers
    Classes(Classes),
}

impl Reproduce {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        match self {
            Self::Table2(table) => table.run(console),
            Self::Classes(classes) => classes.run(console),
        }
    }
}

/// The arguments of every experiment.
#[derive(Args)]
pub struct ExperimentArgs {
    #[command(flatten)]
    baselines: Baselines,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// A few steps on pictures drawn by the program, to see that everything works
    #[arg(long)]
    smoke: bool,
}

/// Classification and detection on VOC 2007, segmentation on VOC 2012.
#[derive(Args)]
pub struct Table2 {
    /// The development kit: a folder with VOC2007 and VOC2012, or with one year in VOC's layout, which
    /// serves all three tasks
    #[arg(long, value_name = "DIR", required_unless_present = "smoke")]
    voc: Option<PathBuf>,
    #[command(flatten)]
    proposals: ProposalArgs,
    /// Steps of detection, where it is not to take as many as --steps says for all tasks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    detection_steps: Option<u64>,
    /// Steps of segmentation, likewise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    segmentation_steps: Option<u64>,
    #[command(flatten)]
    experiment: ExperimentArgs,
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

/// The three tasks, and how many steps two of them take if not as many as the first.
struct Table2Task {
    classify: ClassifyTask,
    detect: DetectTask,
    segment: SegmentTask,
    detection_steps: Option<u64>,
    segmentation_steps: Option<u64>,
}

impl Task for Table2Task {
    fn columns(&self) -> Vec<String> {
        COLUMNS.map(str::to_owned).to_vec()
    }

    fn run(&mut self, attempt: &Attempt<'_>) -> Result<Vec<f64>> {
        let tasks: [(&mut dyn Task, Option<u64>); 3] = [
            (&mut self.classify, None),
            (&mut self.detect, self.detection_steps),
            (&mut self.segment, self.segmentation_steps),
        ];
        let run = |(task, steps): (&mut dyn Task, Option<u64>)| {
            let training = &attempt.training.with_steps(steps);
            Ok(task.run(&Attempt { training, ..*attempt })?[0])
        };
        tasks.into_iter().map(run).collect()
    }
}

impl Table2 {
    fn run(&self, console: &Console) -> Result<ExitStatus> {
        let ExperimentArgs { baselines, training, device, smoke } = &self.experiment;
        let device = device.open(console)?;
        let smoke = SmokeFolder::draw_if(*smoke)?;
        let (root, baselines, proposals, training, kernel_size) = match (&smoke, &self.voc) {
            (Some(smoke), _) => (
                smoke.path(),
                &baselines.tiny(smoke.path()),
                &ProposalArgs::tiny(),
                &training.with_default_steps(2),
                3,
            ),
            (None, Some(voc)) => (voc.as_path(), baselines, &self.proposals, training, 7),
            (None, None) => return Err(miette!("name the development kit: `--voc DIR`")),
        };
        // Everything is looked for before anything is computed.
        let segment = SegmentTask::load(root, ["train", "val"], Stride::S32, kernel_size)?;
        let detect = DetectTask::load(root, ["trainval", "test"], proposals, console)?;
        let mut classify = ClassifyTask::new(DatasetArgs::of_voc(root, ["trainval", "test"]));
        classify.0.load(baselines.size()?)?;
        let images = Voc::of_year(root, 2012).into_diagnostic()?.images();
        let encoders = baselines.load(&images, &device, console)?;
        let Self { detection_steps, segmentation_steps, .. } = *self;
        let mut task = Table2Task { classify, detect, segment, detection_steps, segmentation_steps };
        let table = ResultTable::compare(&mut task, &encoders, training, &device, console)?;
        console.result(if smoke.is_some() {
            "ours, a smoke run on pictures drawn by the program"
        } else {
            "ours"
        });
        table.print(console);
        console.result("\nthe paper");
        let [classification, detection, segmentation] = COLUMNS;
        let mut paper = Table::new(&["pretraining", classification, detection, segmentation]);
        for (name, scores) in PAPER {
            let cells = scores.map(|score| score.map_or("-".to_owned(), |score| format!("{score:.1}")));
            paper.push([name.to_owned()].into_iter().chain(cells));
        }
        console.result(paper.markdown().trim_end());
        Ok(ExitStatus::Complete)
    }
}

/// Pretrain on a folder's pictures without their classes, then classify them.
#[derive(Args)]
pub struct Classes {
    #[command(flatten)]
    dataset: DatasetArgs,
    #[command(flatten)]
    layers: LayersArgs,
    #[command(flatten)]
    experiment: ExperimentArgs,
}

struct ClassesTask(ClassifyTask, ProbeTask);

impl Task for ClassesTask {
    fn columns(&self) -> Vec<String> {
        ["fine-tuned".to_owned()].into_iter().chain(self.1.columns()).collect()
    }

    fn run(&mut self, attempt: &Attempt<'_>) -> Result<Vec<f64>> {
        Ok([self.0.run(attempt)?, self.1.run(attempt)?].concat())
    }
}

impl Classes {
    fn run(&self, console: &Console) -> Result<ExitStatus> {
        let ExperimentArgs { baselines, training, device, smoke } = &self.experiment;
        let device = device.open(console)?;
        let smoke = SmokeFolder::draw_if(*smoke)?;
        let dataset = self.dataset.or_smoke(smoke.as_ref());
        let (baselines, training) = match &smoke {
            Some(smoke) => (&baselines.tiny(smoke.path()), &training.with_default_steps(2)),
            None => (baselines, training),
        };
        let images = dataset.training_folder()?;
        let (mut classify, mut probe) =
            (ClassifyTask::new(dataset.clone()), ProbeTask::new(dataset, &self.layers));
        // Everything is looked for before anything is computed.
        let size = baselines.size()?;
        classify.0.load(size)?;
        probe.datasets.load(size)?;
        let encoders = baselines.load(&images, &device, console)?;
        let mut task = ClassesTask(classify, probe);
        ResultTable::compare(&mut task, &encoders, training, &device, console)?.print(console);
        Ok(ExitStatus::Complete)
    }
}
