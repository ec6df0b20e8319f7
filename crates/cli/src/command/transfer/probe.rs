//! `transfer probe`: frozen features, layer by layer.

use clap::Args;
use context_encoder::{
    model::FeatureLayer,
    transfer::{
        classify::Keep,
        probe::{Probe, probe},
    },
};
use miette::{IntoDiagnostic, Result};

use super::{EncoderChoice, Table, TrialFolder, classify::Pictures};
use crate::{device::DeviceChoice, outcome::Outcome, output::Output};

/// Judge frozen features: a linear classifier and nearest neighbours on each layer.
#[derive(Args)]
pub struct ProbeCommand {
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    encoders: EncoderChoice,
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
        let device = self.device.open()?.without_autodiff();
        let trial = if self.smoke { Some(TrialFolder::draw()?) } else { None };
        let (pictures, encoders) = match &trial {
            Some(trial) => (Pictures::of_voc(trial.path(), ["trainval", "trainval"]), self.encoders.tiny()),
            None => (self.pictures.clone(), self.encoders.clone()),
        };
        let columns =
            self.layers.iter().flat_map(|layer| [format!("{layer} linear"), format!("{layer} neighbours")]);
        let mut table = Table::new(columns);
        let mut albums = None;
        for named in encoders.all()? {
            let encoder = named.source.load(&device).into_diagnostic()?;
            let side = encoder.config().size as u32;
            if albums.as_ref().is_none_or(|(kept, _)| *kept != side) {
                albums = Some((side, pictures.load(Keep::Square(side))?));
            }
            let Some((_, [train, test])) = &albums else { unreachable!("loaded just now") };
            let probes = probe(&encoder, [train, test], pictures.question(), &self.layers, &device)
                .into_diagnostic()?;
            for Probe { layer, numbers, linear, decay, neighbours } in &probes {
                output.note(format_args!(
                    "{} {} {layer}: linear {:.1} %, neighbours {:.1} % ({numbers} numbers, decay {decay})",
                    named.name,
                    named.seed,
                    100.0 * linear.score(),
                    100.0 * neighbours.score()
                ));
            }
            let scores: Vec<f64> =
                probes.iter().flat_map(|probe| [probe.linear.score(), probe.neighbours.score()]).collect();
            table.add(&named, &scores, output);
        }
        table.show(output);
        Ok(Outcome::Complete)
    }
}
