//! `transfer segment`: a fully convolutional network, fine-tuned.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use context_encoder::transfer::{
    Fit,
    segment::{SegmentationSample, SegmentationSource, Segmenter, SegmenterConfig, Stride},
    voc::Voc,
};
use miette::{IntoDiagnostic, Result};

use super::{Attempt, EncoderArgs, LearningArgs, ResultTable, SmokeDir, sets};
use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Fine-tune a fully convolutional network on class masks.
#[derive(Args)]
pub struct Segment {
    /// A year in VOC's layout, such as VOCdevkit/VOC2012
    #[arg(value_name = "DIR", required_unless_present = "smoke")]
    voc: Option<PathBuf>,
    /// Sets to learn from and to test on
    #[arg(long, value_delimiter = ',', default_value = "train,val", value_name = "SET,SET")]
    sets: Vec<String>,
    #[command(flatten)]
    encoders: EncoderArgs,
    /// How fine scores are before they are enlarged
    #[arg(long, value_enum, default_value_t = StrideName::S32)]
    stride: StrideName,
    /// Side of conv6's window, odd
    #[arg(long, default_value_t = 7, value_parser = odd, value_name = "N")]
    reach: usize,
    #[command(flatten)]
    learning: LearningArgs,
    #[command(flatten)]
    device: DeviceChoice,
    /// A few steps on pictures drawn by the program, to see that everything works
    #[arg(long)]
    smoke: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum StrideName {
    #[value(name = "32")]
    S32,
    #[value(name = "16")]
    S16,
    #[value(name = "8")]
    S8,
}

fn odd(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if number % 2 == 1 => Ok(number),
        _ => Err("choose an odd number, such as 7".to_owned()),
    }
}

/// Masked pictures of two sets.
pub struct Masks {
    parts: [Vec<SegmentationSample>; 2],
    config: SegmenterConfig,
}

impl Masks {
    pub fn load(root: &Path, sets: [&str; 2], stride: Stride, reach: usize) -> Result<Self> {
        let voc = Voc::of_year(root, 2012).into_diagnostic()?;
        let [train, test] = sets.map(|set| SegmentationSample::from_voc(&voc, set));
        let config = SegmenterConfig { stride, reach, ..SegmenterConfig::new(voc.classes().len() + 1) };
        Ok(Self { parts: [train.into_diagnostic()?, test.into_diagnostic()?], config })
    }

    /// Fine-tunes one encoder and returns its mean intersection over union, 0 to 1.
    pub fn try_one(&self, attempt: &Attempt<'_>) -> Result<f64> {
        let [train, test] = &self.parts;
        let pictures = train.iter().map(|known| &known.picture);
        let encoder = attempt.named.initialized(attempt.encoder()?, pictures);
        let segmenter = Segmenter::new(encoder, self.config, attempt.named.seed);
        let own = Fit { batch_size: 8, lr: 2e-4, ..Fit::default() };
        let source = SegmentationSource { pictures: train };
        let judge = |segmenter: &Segmenter| Ok(segmenter.examine(test, self.config.labels)?.mean_iu());
        let fitted = attempt.train("segment", &own, segmenter, &source, judge)?;
        Ok(fitted.curve.score())
    }
}

impl Segment {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let stride = match self.stride {
            StrideName::S32 => Stride::S32,
            StrideName::S16 => Stride::S16,
            StrideName::S8 => Stride::S8,
        };
        let trial = if self.smoke { Some(SmokeDir::draw()?) } else { None };
        let (masks, encoders, learning) = match &trial {
            Some(trial) => (
                Masks::load(trial.path(), ["trainval", "trainval"], stride, 3)?,
                self.encoders.tiny(),
                self.learning.with_steps(2),
            ),
            None => (
                Masks::load(
                    &self.voc.clone().unwrap_or_default(),
                    sets::pair(&self.sets)?,
                    stride,
                    self.reach,
                )?,
                self.encoders.clone(),
                self.learning.clone(),
            ),
        };
        let mut table = ResultTable::new(["mean IU"]);
        for named in encoders.all()? {
            let attempt = Attempt { named: &named, learning: &learning, device: &device, output };
            let score = masks.try_one(&attempt)?;
            output.note(format_args!("{} {}: {:.1} %", named.name, named.seed, 100.0 * score));
            table.add(&named, &[score], output);
        }
        table.show(output);
        Ok(Outcome::Complete)
    }
}
