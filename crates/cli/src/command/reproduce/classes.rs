//! `reproduce classes`: the order of Table 2 on pictures of one's own.

use clap::Args;
use context_encoder::model::FeatureLayer;
use miette::Result;

use super::baselines::Baselines;
use crate::{
    command::transfer::{
        Attempt, Classes as FineTuned, LearningArgs, Pictures, Probes, ResultTable, SmokeDir,
    },
    device::DeviceChoice,
    outcome::Outcome,
    output::Output,
};

/// Pretrain on a folder's pictures without their classes, then classify them.
#[derive(Args)]
pub struct Classes {
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    baselines: Baselines,
    #[command(flatten)]
    learning: LearningArgs,
    /// Layers for the linear classifier
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "pool1,pool2,conv3,conv4,pool5",
        value_name = "LAYER,..."
    )]
    layers: Vec<FeatureLayer>,
    #[command(flatten)]
    device: DeviceChoice,
    /// A few steps on pictures drawn by the program, to see that everything works
    #[arg(long)]
    smoke: bool,
}

impl Classes {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let trial = if self.smoke { Some(SmokeDir::draw()?) } else { None };
        let (pictures, baselines, learning) = match &trial {
            Some(trial) => (
                Pictures::from_voc(trial.path(), ["trainval", "trainval"]),
                self.baselines.tiny(trial.path()),
                self.learning.with_steps(2),
            ),
            None => (self.pictures.clone(), self.baselines.clone(), self.learning.clone()),
        };
        let own = pictures.to_pretrain_on()?;
        let mut table = ResultTable::new(
            ["fine-tuned".to_owned()]
                .into_iter()
                .chain(self.layers.iter().map(|layer| format!("{layer} linear"))),
        );
        let (mut classes, mut probes) = (FineTuned::new(pictures.clone()), Probes::new(pictures));
        // Everything is looked for before anything is computed.
        let size = baselines.size()?;
        classes.load(size)?;
        probes.load(size)?;
        for named in baselines.ready(&own, &device, output)? {
            let attempt = Attempt { named: &named, learning: &learning, device: &device, output };
            let mut scores = vec![classes.try_one(&attempt)?];
            let probed = probes.try_one(&named, &self.layers, &device, output)?;
            scores.extend(probed.iter().map(|probe| probe.linear.score()));
            output.note(format_args!("{} {}: fine-tuned {:.1} %", named.name, named.seed, 100.0 * scores[0]));
            table.add(&named, &scores, output);
        }
        table.show(output);
        Ok(Outcome::Complete)
    }
}
