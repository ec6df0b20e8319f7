//! `transfer classify`: AlexNet's classifier, fine-tuned; `transfer probe`: frozen features, layer by layer.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::{
    model::FeatureLayer,
    transfer::{self, Classification, Classifier, Fit, LabeledDataset, Resize, Voc},
};
use miette::{IntoDiagnostic, Result, miette};

use super::{
    Attempt, SmokeFolder, TrainingArgs,
    comparison::{ComparisonArgs, Task},
};
use crate::console::{Console, ExitStatus};

/// Labelled pictures.
#[derive(Args, Clone, Debug)]
pub struct DatasetArgs {
    /// Folder with train/CLASS/*.jpg and test/CLASS/*.jpg
    #[arg(value_name = "DIR", required_unless_present_any = ["voc", "smoke"])]
    folder: Option<PathBuf>,
    /// A year of PASCAL VOC instead, such as VOCdevkit/VOC2007: several classes a picture, mean average
    /// precision
    #[arg(long, value_name = "DIR", conflicts_with = "folder")]
    voc: Option<PathBuf>,
    /// VOC's training set and test set
    #[arg(long, value_delimiter = ',', default_value = "trainval,test", value_name = "SET,SET")]
    sets: Vec<String>,
}

impl DatasetArgs {
    /// Two sets of VOC.
    pub fn of_voc(folder: &Path, sets: [&str; 2]) -> Self {
        Self { folder: None, voc: Some(folder.to_owned()), sets: sets.map(str::to_owned).to_vec() }
    }

    /// These, or the pictures of a smoke run.
    pub fn or_smoke(&self, smoke: Option<&SmokeFolder>) -> Self {
        smoke.map_or_else(|| self.clone(), |smoke| Self::of_voc(smoke.path(), ["trainval", "trainval"]))
    }

    /// The folder of the training pictures, as pretraining sees it.
    pub fn training_folder(&self) -> Result<PathBuf> {
        match &self.voc {
            Some(root) => Ok(Voc::of_year(root, 2007).into_diagnostic()?.images()),
            None => Ok(self.folder.clone().unwrap_or_default().join("train")),
        }
    }

    fn classification(&self) -> Classification {
        if self.voc.is_some() { Classification::MultiLabel } else { Classification::SingleLabel }
    }
}

/// The training set and the test set from the two names of `--sets`.
pub fn two_sets(names: &[String]) -> Result<[&str; 2]> {
    match names {
        [train, test] => Ok([train, test]),
        _ => Err(miette!("name two sets, to train on and to test on: `--sets train,val`")),
    }
}

/// Training set and test set in one size, kept from encoder to encoder.
pub struct Datasets {
    args: DatasetArgs,
    /// How pictures are resized for encoders of a size.
    resize: fn(usize) -> Resize,
    loaded: Option<(Resize, [LabeledDataset; 2])>,
}

impl Datasets {
    /// Both sets for encoders of a size, read unless they are there.
    pub fn load(&mut self, size: usize) -> Result<&[LabeledDataset; 2]> {
        let resize = (self.resize)(size);
        let datasets = match self.loaded.take().filter(|(kept, _)| *kept == resize) {
            Some((_, datasets)) => datasets,
            None => {
                let [train, test] = match &self.args {
                    DatasetArgs { voc: Some(root), sets, .. } => {
                        let voc = Voc::of_year(root, 2007).into_diagnostic()?;
                        two_sets(sets)?.map(|set| LabeledDataset::from_voc(&voc, set, resize))
                    }
                    DatasetArgs { folder, .. } => {
                        let folder = folder.clone().unwrap_or_default();
                        ["train", "test"].map(|set| LabeledDataset::from_folder(&folder.join(set), resize))
                    }
                };
                let (train, test) = (train.into_diagnostic()?, test.into_diagnostic()?);
                train.expect_classes_of(&test).into_diagnostic()?;
                [train, test]
            }
        };
        Ok(&self.loaded.insert((resize, datasets)).1)
    }
}

/// Fine-tune AlexNet's classifier and test it on ten crops of each picture.
#[derive(Args)]
pub struct Classify {
    #[command(flatten)]
    dataset: DatasetArgs,
    #[command(flatten)]
    comparison: ComparisonArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

impl Classify {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let load = |smoke: Option<&SmokeFolder>| Ok(ClassifyTask::new(self.dataset.or_smoke(smoke)));
        self.comparison.run(&self.training, console, load)
    }
}

/// Fine-tunes a classifier.
pub struct ClassifyTask(pub Datasets);

impl ClassifyTask {
    pub fn new(args: DatasetArgs) -> Self {
        let resize = |size| Resize::ShorterSide(Classifier::shorter_side(size));
        Self(Datasets { args, resize, loaded: None })
    }
}

impl Task for ClassifyTask {
    fn columns(&self) -> Vec<String> {
        vec![match self.0.args.classification() {
            Classification::SingleLabel => "fine-tuned, accuracy".to_owned(),
            Classification::MultiLabel => "fine-tuned, mAP (11 points)".to_owned(),
        }]
    }

    fn run(&mut self, attempt: &Attempt<'_>) -> Result<Vec<f64>> {
        let encoder = attempt.load()?;
        let args = self.0.args.clone();
        let [train, test] = self.0.load(encoder.config().size)?;
        let head = || {
            let images = train.samples.iter().map(|sample| &sample.image);
            let encoder = attempt.encoder.init_from(encoder, images);
            let classes = train.classes.len();
            Ok(Classifier::new(encoder, classes, args.classification(), attempt.encoder.seed))
        };
        let default = Fit { lr: 2e-4, ..Fit::default() };
        let metrics = attempt.train("classify", &args, &default, head, [&train.samples, &test.samples])?;
        Ok(vec![metrics.score()])
    }
}

/// Layers of the encoder.
#[derive(Args)]
pub struct LayersArgs {
    /// Layers for the linear classifier: pool1, pool2, conv3, conv4, conv5, pool5
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "pool1,pool2,conv3,conv4,pool5",
        value_name = "LAYER,..."
    )]
    layers: Vec<FeatureLayer>,
}

/// Evaluate frozen features: a linear classifier and nearest neighbours on each layer.
#[derive(Args)]
pub struct Probe {
    #[command(flatten)]
    dataset: DatasetArgs,
    #[command(flatten)]
    comparison: ComparisonArgs,
    #[command(flatten)]
    layers: LayersArgs,
}

impl Probe {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let load = |smoke: Option<&SmokeFolder>| {
            Ok(ProbeTask { neighbours: true, ..ProbeTask::new(self.dataset.or_smoke(smoke), &self.layers) })
        };
        self.comparison.run(&TrainingArgs::default(), console, load)
    }
}

/// Probes frozen layers.
pub struct ProbeTask {
    pub datasets: Datasets,
    layers: Vec<FeatureLayer>,
    /// Whether nearest neighbours have columns of their own.
    neighbours: bool,
}

impl ProbeTask {
    /// With linear classifiers alone.
    pub fn new(args: DatasetArgs, layers: &LayersArgs) -> Self {
        let datasets = Datasets { args, resize: |size| Resize::Square(size as u32), loaded: None };
        Self { datasets, layers: layers.layers.clone(), neighbours: false }
    }
}

impl Task for ProbeTask {
    fn columns(&self) -> Vec<String> {
        let columns = |layer| [format!("{layer} linear"), format!("{layer} neighbours")];
        let count = 1 + usize::from(self.neighbours);
        self.layers.iter().flat_map(|layer| columns(layer).into_iter().take(count)).collect()
    }

    fn run(&mut self, attempt: &Attempt<'_>) -> Result<Vec<f64>> {
        let Attempt { encoder: named, device, console, .. } = attempt;
        let device = (*device).clone().without_autodiff();
        let encoder = named.load(&device)?;
        let classification = self.datasets.args.classification();
        let [train, test] = self.datasets.load(encoder.config().size)?;
        let encoder = named.init_from(encoder, train.samples.iter().map(|sample| &sample.image));
        let probes = transfer::probe(&encoder, [train, test], classification, &self.layers, &device);
        let mut scores = Vec::new();
        for probe in probes.into_diagnostic()? {
            let transfer::Probe { layer, dimension, linear, weight_decay, neighbours } = probe;
            console.note(format_args!(
                "{} {} {layer}: {dimension} features, weight decay {weight_decay}",
                named.name, named.seed
            ));
            scores.push(linear.score());
            scores.extend(self.neighbours.then(|| neighbours.score()));
        }
        Ok(scores)
    }
}
