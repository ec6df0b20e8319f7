//! `evaluate`: how good weights are on a folder of pictures.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{
    data::{Folder, FolderOptions, PictureSource, Purpose, View, stream},
    eval::{BorderMean, EvalError, Fill, Harmonic, Protocol, evaluate, sheet},
};
use image::{Rgb, RgbImage};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{device::DeviceChoice, outcome::Outcome, output::Output, scores::scores, weights::WeightsChoice};

/// Measure weights on a folder of pictures beside two fills without a network; each picture is resized whole to the
/// network's square.
#[derive(Args)]
pub struct Evaluate {
    /// Folder of pictures
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    weights: WeightsChoice,
    /// How much is hidden: paper, authors or hidden; all three without it
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Where a sheet of the first eight pictures goes, as PNG
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceChoice,
}

/// Pictures on the sheet.
const SAMPLES: usize = 8;

impl Evaluate {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let inpainter = self.weights.inpainter(&self.device.open()?)?;
        let side = inpainter.side();
        let (pictures, failed) = self.pictures(side, output)?;
        let fills: [&dyn Fill; 3] = [&inpainter, &BorderMean, &Harmonic];
        let protocols = self.protocol.map_or(Protocol::ALL.to_vec(), |protocol| vec![protocol]);
        for &protocol in &protocols {
            let table = evaluate(&fills, &pictures, protocol).into_diagnostic()?;
            output.result(format_args!("{table}\n"));
            for entry in &table.entries {
                output.record(&json!({
                    "event": "scores", "protocol": protocol.name(), "pictures": table.pictures, "fill": entry.name,
                    "square": scores(&entry.square), "hole": scores(&entry.hole),
                }));
            }
        }
        if let (Some(path), Some(protocol)) = (&self.sheet, protocols.last()) {
            let mask = protocol.mask(side);
            let column = |truth: &RgbImage| {
                let [filled, mean, harmonic] = fills.map(|fill| fill.fill(truth, &mask));
                Ok(vec![
                    sheet::with_hole(truth, &mask, Rgb([128; 3])),
                    filled?,
                    mean?,
                    harmonic?,
                    truth.clone(),
                ])
            };
            let columns: Result<Vec<_>, EvalError> = pictures.iter().take(SAMPLES).map(column).collect();
            sheet::save(&sheet::lay_out(&columns.into_diagnostic()?), path).into_diagnostic()?;
            output.note(format_args!("wrote {}", path.display()));
        }
        Ok(Outcome::of(failed))
    }

    /// The folder's pictures at the network's size, and how many could not be used.
    fn pictures(&self, side: u32, output: &Output) -> Result<(Vec<RgbImage>, usize)> {
        let folder = Folder::open(&self.folder, FolderOptions::default()).into_diagnostic()?;
        let mut failed = folder.refused().len();
        for refused in folder.refused() {
            output.failure(&refused.name, &refused.error.to_string());
        }
        let view = View::Whole { size: side };
        let bar = output.with_bar(folder.len(), "pictures");
        let mut pictures = Vec::with_capacity(folder.len());
        for index in 0..folder.len() {
            match folder.picture(0, index) {
                Ok(picture) => {
                    pictures.push(view.apply(&picture, &mut stream(0, Purpose::Crop, 0, index as u64)));
                }
                Err(error) => {
                    failed += 1;
                    bar.failure(&PictureSource::name(&folder, index), &error.to_string());
                }
            }
            bar.advance();
        }
        bar.clear_bar();
        if pictures.is_empty() {
            return Err(miette!("no picture in {} can be read", self.folder.display()));
        }
        Ok((pictures, failed))
    }
}
