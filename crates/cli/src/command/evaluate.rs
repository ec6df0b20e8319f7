//! `evaluate`: how good weights are on a folder of pictures (paper, Table 1).

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use context_encoder::{
    Device, Inpainter,
    eval::{
        Blend, BorderMean, EvalError, Fill, Harmonic, NearestNeighbour, Protocol, TABLE_1, Table, Telea,
        evaluate, image_grid,
        retrieval::{ContextFeatures, Hog},
    },
    files::atomic_write,
    mask::Mask,
};
use image::{Rgb, RgbImage};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use serde_json::json;

use crate::{
    device::DeviceChoice,
    outcome::Outcome,
    output::Output,
    report::{self, Page},
    scores::{interval, scores},
    squares::Squares,
    weights::WeightsChoice,
};

/// Measure weights on a folder of pictures as the paper's Table 1 does, beside fills without a network; each picture is
/// resized whole to the network's square. The paper's rows stand below for orientation: they are of other pictures.
#[derive(Args)]
pub struct Evaluate {
    /// Folder of pictures
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    weights: WeightsChoice,
    /// Add another network's row, unblended; may be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = rival)]
    compare: Vec<(String, PathBuf)>,
    /// How much is hidden: paper, authors or hidden; all three without it
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Folder of pictures to fill from: adds nearest neighbours, by HOG and by the network's features
    #[arg(long, value_name = "DIR")]
    gallery: Option<PathBuf>,
    /// Add the mean of two predictions, one with left and right exchanged
    #[arg(long)]
    mirror: bool,
    /// Where a sheet of the first eight pictures goes, as PNG
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Where the tables go, as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Where a report with all pictures goes, one HTML file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Folder of the training run whose curve the report shows
    #[arg(long, value_name = "DIR", requires = "report")]
    run: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceChoice,
}

/// Pictures on the sheet.
const SAMPLES: usize = 8;

impl Evaluate {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let model = self.weights.model(&device)?;
        // Unblended is what the network itself has learned, as the paper measures it.
        let bare = Inpainter::new(&model, &device).with_blend(Blend::None);
        let blended = Inpainter::new(&model, &device).named("context encoder, blended");
        let side = bare.side();
        let Squares { pictures, mut failed } = Squares::of(&self.folder, side, output)?;
        let neighbours = match &self.gallery {
            Some(folder) => {
                let same = |one: &Path, other: &Path| matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other);
                if same(folder, &self.folder) {
                    return Err(miette!(
                        "the gallery is the folder that is measured: every picture would find itself"
                    ));
                }
                let Squares { pictures: gallery, failed: unread } = Squares::of(folder, side, output)?;
                failed += unread;
                let hog = NearestNeighbour::new(gallery.clone(), Hog, &device);
                Some((hog, NearestNeighbour::new(gallery, ContextFeatures::new(&model, &device), &device)))
            }
            None => None,
        };
        let mirrored =
            Inpainter::new(&model, &device).named("context encoder, blended, mirrored").with_mirror(true);
        let rivals = self.rivals(side, &device)?;
        let mut fills: Vec<&dyn Fill> = vec![&bare, &blended];
        fills.extend(rivals.iter().map(|rival| rival as &dyn Fill));
        fills.extend(self.mirror.then_some(&mirrored as &dyn Fill));
        fills.extend([&BorderMean as &dyn Fill, &Harmonic, &Telea]);
        if let Some((hog, features)) = &neighbours {
            fills.extend([hog as &dyn Fill, features]);
        }

        let protocols = self.protocol.map_or(Protocol::ALL.to_vec(), |protocol| vec![protocol]);
        let bar = output.with_bar(protocols.len(), "protocols");
        let mut tables = Vec::with_capacity(protocols.len());
        for &protocol in &protocols {
            tables.push(evaluate(&fills, &pictures, protocol).into_diagnostic()?);
            bar.advance();
        }
        bar.clear_bar();
        tables.iter().for_each(|table| tell(table, output));
        self.write(&tables, &fills, &pictures, output)?;
        Ok(Outcome::of(failed))
    }

    /// The networks to compare with.
    fn rivals(&self, side: u32, device: &Device) -> Result<Vec<Inpainter>> {
        let load = |(name, path): &(String, PathBuf)| {
            let rival = Inpainter::load(path, device).into_diagnostic()?.named(name).with_blend(Blend::None);
            if rival.side() != side {
                return Err(miette!(
                    "{} takes pictures of {} pixels a side, the first network of {side}; measure it by itself",
                    path.display(),
                    rival.side()
                ));
            }
            Ok(rival)
        };
        self.compare.iter().map(load).collect()
    }

    /// The files that were asked for.
    fn write(
        &self,
        tables: &[Table],
        fills: &[&dyn Fill],
        pictures: &[RgbImage],
        output: &Output,
    ) -> Result<()> {
        let written = |path: &PathBuf, bytes: &[u8]| {
            atomic_write(path, bytes)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot write {}", path.display()))?;
            output.note(format_args!("wrote {}", path.display()));
            Ok::<(), miette::Report>(())
        };
        if let Some(path) = &self.markdown {
            let text: Vec<String> = tables.iter().map(ToString::to_string).collect();
            written(path, (text.join("\n\n") + "\n").as_bytes())?;
        }
        let Some(protocol) = tables.last().map(|table| table.protocol) else { return Ok(()) };
        if self.sheet.is_none() && self.report.is_none() {
            return Ok(());
        }
        let columns = columns(fills, pictures, protocol).into_diagnostic()?;
        if let Some(path) = &self.sheet {
            image_grid::save(&image_grid::lay_out(&columns[..SAMPLES.min(columns.len())]), path)
                .into_diagnostic()?;
            output.note(format_args!("wrote {}", path.display()));
        }
        if let Some(path) = &self.report {
            let folder = fs::canonicalize(&self.folder).unwrap_or_else(|_| self.folder.clone());
            let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
            let mut page = Page::new(
                &format!("Context encoder on {name}"),
                &format!("{} pictures, each resized whole to the network's square.", pictures.len()),
            );
            tables.iter().for_each(|table| page.table(table));
            if let Some(run) = &self.run {
                page.drawing("Training", &report::validation(run)?);
            }
            let headings = ["hole"].into_iter().chain(fills.iter().map(|fill| fill.name())).chain(["truth"]);
            let headings: Vec<String> = headings.map(str::to_owned).collect();
            page.pictures(&format!("Pictures, protocol {protocol}"), &headings, &columns)?;
            written(path, page.html().as_bytes())?;
        }
        Ok(())
    }
}

/// `NAME=FILE`.
fn rival(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("write NAME=FILE, such as reconstruction=runs/paris/model.safetensors".to_owned()),
    }
}

/// For each picture: with its hole, filled in every way, the truth.
fn columns(
    fills: &[&dyn Fill],
    pictures: &[RgbImage],
    protocol: Protocol,
) -> Result<Vec<Vec<RgbImage>>, EvalError> {
    let masks: Vec<Mask> = pictures.iter().map(|picture| protocol.mask(picture.width())).collect();
    let holes =
        pictures.iter().zip(&masks).map(|(truth, mask)| image_grid::with_hole(truth, mask, Rgb([128; 3])));
    let mut columns: Vec<Vec<RgbImage>> = holes.map(|hole| vec![hole]).collect();
    for fill in fills {
        let filled = fill.fill_all(pictures, &masks)?;
        columns.iter_mut().zip(filled).for_each(|(column, filled)| column.push(filled));
    }
    columns.iter_mut().zip(pictures).for_each(|(column, truth)| column.push(truth.clone()));
    Ok(columns)
}

/// A table for people, and for programs.
fn tell(table: &Table, output: &Output) {
    output.result(format_args!("{table}"));
    for row in TABLE_1 {
        output.result(format_args!(
            "| {} | {:.2} | {:.2} | {:.2} | | | | | | | |",
            row.name, row.l1, row.l2, row.psnr
        ));
    }
    output.result("");
    for entry in &table.entries {
        output.record(&json!({
            "event": "scores", "protocol": table.protocol.name(), "pictures": table.pictures, "fill": entry.name,
            "square": scores(&entry.square), "hole": scores(&entry.hole),
            "psnr_interval": interval(entry.interval(|scores| scores.psnr)),
            "l1_interval": interval(entry.interval(|scores| scores.l1)),
            "l2_interval": interval(entry.interval(|scores| scores.l2)),
            "each": entry.pictures.iter().map(scores).collect::<Vec<_>>(),
        }));
    }
}
