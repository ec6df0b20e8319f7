//! `transfer segment`: a fully convolutional network, fine-tuned.

use std::path::{Path, PathBuf};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use context_encoder::transfer::{Fit, SegmentationSample, Segmenter, SegmenterConfig, Stride, Voc};
use miette::{IntoDiagnostic, Result};

use super::{
    Attempt, SmokeFolder, TrainingArgs,
    classify::two_sets,
    comparison::{ComparisonArgs, Task},
};
use crate::console::{Console, ExitStatus};

/// Fine-tune a fully convolutional network on class masks.
#[derive(Args)]
pub struct Segment {
    /// A year in VOC's layout, such as VOCdevkit/VOC2012
    #[arg(value_name = "DIR", required_unless_present = "smoke")]
    voc: Option<PathBuf>,
    /// Training set and test set
    #[arg(long, value_delimiter = ',', default_value = "train,val", value_name = "SET,SET")]
    sets: Vec<String>,
    #[command(flatten)]
    comparison: ComparisonArgs,
    /// Stride of the scores before they are upsampled to pixels
    #[arg(long, default_value = "32", value_parser = strides())]
    stride: Stride,
    /// Side of conv6's kernel, odd
    #[arg(long, alias = "reach", default_value_t = 7, value_parser = odd, value_name = "N")]
    kernel_size: usize,
    #[command(flatten)]
    training: TrainingArgs,
}

fn strides() -> impl TypedValueParser<Value = Stride> {
    PossibleValuesParser::new(["32", "16", "8"]).map(|stride| match stride.as_str() {
        "16" => Stride::S16,
        "8" => Stride::S8,
        _ => Stride::S32,
    })
}

fn odd(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| number % 2 == 1);
    number.ok_or_else(|| "choose an odd number, such as 7".to_owned())
}

impl Segment {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        self.comparison.run(&self.training, console, |smoke: Option<&SmokeFolder>| match smoke {
            Some(smoke) => SegmentTask::load(smoke.path(), ["trainval"; 2], self.stride, 3),
            None => {
                let voc = self.voc.clone().unwrap_or_default();
                SegmentTask::load(&voc, two_sets(&self.sets)?, self.stride, self.kernel_size)
            }
        })
    }
}

/// Fine-tunes a segmenter.
pub struct SegmentTask {
    /// Folder and sets, in words.
    data: String,
    sets: [Vec<SegmentationSample>; 2],
    config: SegmenterConfig,
}

impl SegmentTask {
    pub fn load(root: &Path, sets: [&str; 2], stride: Stride, kernel_size: usize) -> Result<Self> {
        let voc = Voc::of_year(root, 2012).into_diagnostic()?;
        let [train, test] = sets.map(|set| SegmentationSample::from_voc(&voc, set));
        let config = SegmenterConfig { stride, kernel_size, ..SegmenterConfig::new(voc.classes().len() + 1) };
        let data = format!("{} {sets:?} {config:?}", voc.images().display());
        Ok(Self { data, sets: [train.into_diagnostic()?, test.into_diagnostic()?], config })
    }
}

impl Task for SegmentTask {
    fn columns(&self) -> Vec<String> {
        vec!["mean IU".to_owned()]
    }

    fn run(&mut self, attempt: &Attempt<'_>) -> Result<Vec<f64>> {
        let [train, test] = &self.sets;
        let head = || {
            let images = train.iter().map(|sample| &sample.image);
            let encoder = attempt.encoder.init_from(attempt.load()?, images);
            Ok(Segmenter::new(encoder, self.config, attempt.encoder.seed))
        };
        let default = Fit { steps: 2000, batch_size: 8, lr: 2e-4, ..Fit::default() };
        let metrics = attempt.train("segment", &self.data, &default, head, [train, test])?;
        Ok(vec![metrics.score()])
    }
}
