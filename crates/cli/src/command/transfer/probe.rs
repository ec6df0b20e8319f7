//! `transfer probe`: frozen features, layer by layer.

use clap::Args;
use context_encoder::{
    Device,
    model::FeatureLayer,
    transfer::{
        classify::{LabeledDataset, Resize},
        probe::{Probe, probe},
    },
};
use miette::{IntoDiagnostic, Result};

use super::{EncoderArgs, Named, ResultTable, SmokeDir, classify::Pictures};
use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Judge frozen features: a linear classifier and nearest neighbours on each layer.
#[derive(Args)]
pub struct ProbeCommand {
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    encoders: EncoderArgs,
    /// Layers: pool1, pool2, conv3, conv4, conv5, pool5
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "pool1,pool2,conv3,conv4,pool5",
        value_name = "LAYER,..."
    )]
    layers: Vec<FeatureLayer>,
    #[command(flatten)]
    device: DeviceChoice,
    /// Pictures drawn by the program, to see that everything works
    #[arg(long)]
    smoke: bool,
}

impl ProbeCommand {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let trial = if self.smoke { Some(SmokeDir::draw()?) } else { None };
        let (pictures, encoders) = match &trial {
            Some(trial) => (Pictures::from_voc(trial.path(), ["trainval", "trainval"]), self.encoders.tiny()),
            None => (self.pictures.clone(), self.encoders.clone()),
        };
        let columns =
            self.layers.iter().flat_map(|layer| [format!("{layer} linear"), format!("{layer} neighbours")]);
        let mut table = ResultTable::new(columns);
        let mut all = Probes::new(pictures);
        for named in encoders.all()? {
            let probes = all.try_one(&named, &self.layers, &device, output)?;
            let scores: Vec<f64> =
                probes.iter().flat_map(|probe| [probe.linear.score(), probe.neighbours.score()]).collect();
            table.add(&named, &scores, output);
        }
        table.show(output);
        Ok(Outcome::Complete)
    }
}

/// Albums of squares of one size, kept from encoder to encoder.
pub struct Probes {
    pictures: Pictures,
    loaded: Option<(u32, [LabeledDataset; 2])>,
}

impl Probes {
    pub fn new(pictures: Pictures) -> Self {
        Self { pictures, loaded: None }
    }

    /// The pictures for encoders of a size, read unless they are there.
    pub fn load(&mut self, size: usize) -> Result<&[LabeledDataset; 2]> {
        let side = size as u32;
        let datasets = match self.loaded.take().filter(|(kept, _)| *kept == side) {
            Some((_, datasets)) => datasets,
            None => self.pictures.load(Resize::Square(side))?,
        };
        Ok(&self.loaded.insert((side, datasets)).1)
    }

    /// Probes layers of one encoder, frozen, and tells their scores.
    pub fn try_one(
        &mut self,
        named: &Named,
        layers: &[FeatureLayer],
        device: &Device,
        output: &Output,
    ) -> Result<Vec<Probe>> {
        let device = &device.clone().without_autodiff();
        let encoder = named.load(device)?;
        let classification = self.pictures.classification();
        let [train, test] = self.load(encoder.config().size)?;
        let encoder = named.initialized(encoder, train.pictures.iter());
        let probes = probe(&encoder, [train, test], classification, layers, device).into_diagnostic()?;
        for Probe { layer, numbers, linear, decay, neighbours } in &probes {
            output.note(format_args!(
                "{} {} {layer}: linear {:.1} %, neighbours {:.1} % ({numbers} numbers, decay {decay})",
                named.name,
                named.seed,
                100.0 * linear.score(),
                100.0 * neighbours.score()
            ));
        }
        Ok(probes)
    }
}
