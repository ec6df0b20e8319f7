//! `evaluate`: scores of a network on a folder of images (paper, Table 1).

use std::{fs, path::PathBuf};

use clap::Args;
use context_encoder::{
    Device, Inpainter,
    data::{Purpose, rng_for},
    eval::{
        Blend, BorderMean, EvalError, Fid, FidFeatures, Fill, Harmonic, Interval, Lpips, NearestNeighbour,
        Protocol, Scores, TABLE_1, Table, Telea, evaluate, evaluate_hidden, image_grid,
        retrieval::{EncoderFeatures, Hog},
    },
    inpaint::{Refine, WithPatches},
    mask::{Mask, MaskGenerator},
};
use image::{Rgb, RgbImage};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{
    command::{masks::MaskKindName, report::add_validation_curve},
    console::{Console, ExitStatus, interval_json, scores_json},
    device::{DeviceArgs, ThreadsArgs},
    file_pairs::is_same_file,
    report::Page,
    resized_folder::ResizedFolder,
    weights::WeightsArgs,
};

/// Evaluate weights on a folder of pictures as the paper's Table 1 does, beside baselines without a network;
/// each picture is resized to the network's size without cropping. The paper's rows below are for
/// orientation: they are of other pictures.
#[derive(Args)]
pub struct Evaluate {
    /// Folder of pictures
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Add a row for another network, unblended; may be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = name_and_file)]
    compare: Vec<(String, PathBuf)>,
    /// How much is hidden: paper, authors or hidden; all three without it
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Hide what this generator draws, another mask for each picture, the same in every run; scores are over
    /// the hidden pixels. For networks that predict the whole picture
    #[arg(long, value_enum, conflicts_with_all = ["protocol", "gallery", "markdown", "report"])]
    masks: Option<MaskKindName>,
    /// Folder of pictures to fill from: adds rows for nearest neighbours, by HOG and by the network's
    /// features
    #[arg(long, value_name = "DIR")]
    gallery: Option<PathBuf>,
    /// Add a row for the mean of two predictions, one with left and right exchanged
    #[arg(long)]
    mirror: bool,
    /// Add rows for completion by patches of the picture: started by the network, and by a smooth fill
    #[arg(long)]
    refine: bool,
    /// Weights of the perceptual distance LPIPS with AlexNet: adds a table of it, over whole pictures.
    /// Python writes them: torch.save(lpips.LPIPS(net='alex').state_dict(), 'lpips.pth')
    #[arg(long, value_name = "FILE")]
    lpips: Option<PathBuf>,
    /// Weights of Inception v3 for the Fréchet inception distance: adds a table of it. They are the file
    /// pt_inception-2015-12-05-6726825d.pth of the Python package pytorch-fid
    #[arg(long, value_name = "FILE")]
    fid: Option<PathBuf>,
    /// PNG file for an image grid of the first eight pictures
    #[arg(long, alias = "sheet", value_name = "FILE")]
    image_grid: Option<PathBuf>,
    /// Markdown file for the tables
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// HTML file for a report with all pictures
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Folder of the training run whose validation curve the report shows
    #[arg(long, value_name = "DIR", requires = "report")]
    run: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Pictures in the image grid.
const GRID_PICTURES: usize = 8;

impl Evaluate {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let device = self.device.open(console)?;
        let model = self.weights.model(&device)?;
        // The prediction alone is what the paper measures.
        let network = || Inpainter::new(&model, &device).with_refine(Refine::None);
        let unblended = network().with_blend(Blend::None);
        let blended = network().named("context encoder, blended");
        let side = unblended.side();
        let lpips =
            self.lpips.as_ref().map(|path| Lpips::load(path, &device)).transpose().into_diagnostic()?;
        let fid = self.fid.as_ref().map(|path| Fid::load(path, &device)).transpose().into_diagnostic()?;
        let folder = ResizedFolder::open(&self.folder, side, console)?;
        let (_, pictures) = folder.read_all(&ThreadsArgs::default(), console)?;
        let mut failed = folder.skipped() + folder.len() - pictures.len();
        let judges = Judges { lpips, fid: fid.map(|fid| (fid.features(&pictures), fid)) };
        let neighbours = match &self.gallery {
            Some(folder) => {
                if is_same_file(folder, &self.folder) {
                    return Err(miette!(
                        "the gallery is the evaluated folder: every picture would find itself"
                    ));
                }
                let folder = ResizedFolder::open(folder, side, console)?;
                let (_, gallery) = folder.read_all(&ThreadsArgs::default(), console)?;
                failed += folder.skipped() + folder.len() - gallery.len();
                let hog = NearestNeighbour::new(gallery.clone(), Hog, &device);
                Some((hog, NearestNeighbour::new(gallery, EncoderFeatures::new(&model, &device), &device)))
            }
            None => None,
        };
        let mirrored = network().named("context encoder, blended, mirrored").with_mirror(true);
        let refined = network().named("context encoder and patches").with_refine(Refine::Patches);
        let patches = WithPatches::new(Harmonic).named("patches, from a smooth fill");
        let others = self.other_networks(side, &device)?;
        let mut fills: Vec<&dyn Fill> = vec![&unblended, &blended];
        fills.extend(others.iter().map(|other| other as &dyn Fill));
        fills.extend(self.mirror.then_some(&mirrored as &dyn Fill));
        if self.refine {
            fills.extend([&refined as &dyn Fill, &patches]);
        }
        fills.extend([&BorderMean as &dyn Fill, &Harmonic, &Telea]);
        if let Some((hog, features)) = &neighbours {
            fills.extend([hog as &dyn Fill, features]);
        }

        if let Some(kind) = self.masks {
            self.evaluate_masks(kind, &fills, &pictures, &judges, console)?;
            return Ok(ExitStatus::from_failures(failed));
        }
        let protocols = self.protocol.map_or(Protocol::ALL.to_vec(), |protocol| vec![protocol]);
        let bar = console.with_bar(protocols.len(), "protocols");
        let mut tables = Vec::with_capacity(protocols.len());
        for &protocol in &protocols {
            tables.push(evaluate(&fills, &pictures, protocol).into_diagnostic()?);
            bar.advance();
        }
        bar.clear_bar();
        for table in &tables {
            print(table, console);
            let masks: Vec<Mask> =
                pictures.iter().map(|picture| table.protocol.mask(picture.width())).collect();
            judges.print(&fills, &pictures, &masks, console)?;
        }
        self.write(&tables, &fills, &pictures, console)?;
        Ok(ExitStatus::from_failures(failed))
    }

    /// Scores over the hidden pixels of random masks.
    fn evaluate_masks(
        &self,
        kind: MaskKindName,
        fills: &[&dyn Fill],
        pictures: &[RgbImage],
        judges: &Judges,
        console: &Console,
    ) -> Result<()> {
        let kind = kind.with(0, None);
        let generator = kind.build().into_diagnostic()?;
        let draw = |(index, picture): (usize, &RgbImage)| {
            let mut rng = rng_for(0, Purpose::Mask, 0, index as u64);
            generator.generate(picture.width(), picture.height(), &mut rng)
        };
        let masks: Vec<Mask> = pictures.iter().enumerate().map(draw).collect();
        let scores = evaluate_hidden(fills, pictures, &masks).into_diagnostic()?;
        console.result(format_args!(
            "Masks: {kind}; scores over hidden pixels, mean of {} pictures; in brackets 95 % intervals.\n\n\
             | fill | L1 % | L2 % | PSNR dB | SSIM | sharpness |\n|---|---|---|---|---|---|",
            pictures.len()
        ));
        for (fill, scores) in fills.iter().zip(&scores) {
            let Some(mean) = Scores::mean(scores) else { continue };
            let Scores { l1, l2, psnr, ssim, sharpness } = mean;
            let interval = Interval::of_mean(&scores.iter().map(|scores| scores.psnr).collect::<Vec<f64>>());
            let bounds = in_brackets(interval.as_ref(), 2);
            console.result(format_args!(
                "| {} | {l1:.2} | {l2:.2} | {psnr:.2}{} | {ssim:.3} | {sharpness:.2} |",
                fill.name(),
                bounds
            ));
            console.record(&json!({
                "event": "scores", "masks": kind.to_string(), "pictures": pictures.len(), "fill": fill.name(),
                "hidden": scores_json(&mean), "psnr_interval": interval_json(interval),
                "each": scores.iter().map(scores_json).collect::<Vec<_>>(),
            }));
        }
        judges.print(fills, pictures, &masks, console)?;
        self.write_grid(fills, pictures, &masks, console)
    }

    /// The networks of `--compare`.
    fn other_networks(&self, side: u32, device: &Device) -> Result<Vec<Inpainter>> {
        let load = |(name, path): &(String, PathBuf)| {
            let other = Inpainter::load(path, device).into_diagnostic()?.named(name);
            let other = other.with_blend(Blend::None).with_refine(Refine::None);
            if other.side() != side {
                return Err(miette!(
                    "{} takes pictures of {} pixels a side, the first network of {side}; evaluate it separately",
                    path.display(),
                    other.side()
                ));
            }
            Ok(other)
        };
        self.compare.iter().map(load).collect()
    }

    /// Writes tables, image grid and report.
    fn write(
        &self,
        tables: &[Table],
        fills: &[&dyn Fill],
        pictures: &[RgbImage],
        console: &Console,
    ) -> Result<()> {
        if let Some(path) = &self.markdown {
            let text: Vec<String> = tables.iter().map(ToString::to_string).collect();
            console.write_file(path, (text.join("\n\n") + "\n").as_bytes())?;
        }
        let Some(protocol) = tables.last().map(|table| table.protocol) else { return Ok(()) };
        let masks: Vec<Mask> = pictures.iter().map(|picture| protocol.mask(picture.width())).collect();
        self.write_grid(fills, pictures, &masks, console)?;
        if let Some(path) = &self.report {
            let columns = columns(fills, pictures, &masks).into_diagnostic()?;
            let folder = fs::canonicalize(&self.folder).unwrap_or_else(|_| self.folder.clone());
            let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
            let mut page = Page::new(
                &format!("Context encoder on {name}"),
                &format!("{} pictures, each resized to the network's size without cropping.", pictures.len()),
            );
            tables.iter().for_each(|table| page.table(table));
            if let Some(run) = &self.run {
                add_validation_curve(&mut page, "Training", run)?;
            }
            let headings = ["hole"].into_iter().chain(fills.iter().map(|fill| fill.name())).chain(["truth"]);
            let headings: Vec<String> = headings.map(str::to_owned).collect();
            page.pictures(&format!("Pictures, protocol {protocol}"), &headings, &columns)?;
            console.write_file(path, page.html().as_bytes())?;
        }
        Ok(())
    }

    /// Writes the image grid of the first pictures, where one is asked for.
    fn write_grid(
        &self,
        fills: &[&dyn Fill],
        pictures: &[RgbImage],
        masks: &[Mask],
        console: &Console,
    ) -> Result<()> {
        let Some(path) = &self.image_grid else { return Ok(()) };
        let count = GRID_PICTURES.min(pictures.len());
        let columns = columns(fills, &pictures[..count], &masks[..count]).into_diagnostic()?;
        image_grid::save(&image_grid::lay_out(&columns), path).into_diagnostic()?;
        console.note(format_args!("wrote {}", path.display()));
        Ok(())
    }
}

/// `NAME=FILE`.
fn name_and_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("write NAME=FILE, such as reconstruction=runs/paris/model.safetensors".to_owned()),
    }
}

/// For each picture: with its hole, every fill, ground truth.
fn columns(
    fills: &[&dyn Fill],
    pictures: &[RgbImage],
    masks: &[Mask],
) -> Result<Vec<Vec<RgbImage>>, EvalError> {
    let holes =
        pictures.iter().zip(masks).map(|(truth, mask)| image_grid::with_hole(truth, mask, Rgb([128; 3])));
    let mut columns: Vec<Vec<RgbImage>> = holes.map(|hole| vec![hole]).collect();
    for fill in fills {
        let filled = fill.fill_all(pictures, masks)?;
        columns.iter_mut().zip(filled).for_each(|(column, filled)| column.push(filled));
    }
    columns.iter_mut().zip(pictures).for_each(|(column, truth)| column.push(truth.clone()));
    Ok(columns)
}

/// Prints a table as text and as JSON.
fn print(table: &Table, console: &Console) {
    console.result(format_args!("{table}"));
    for row in TABLE_1 {
        console.result(format_args!(
            "| {} | {:.2} | {:.2} | {:.2} | | | | | | | |",
            row.name, row.l1, row.l2, row.psnr
        ));
    }
    console.result("");
    for entry in &table.entries {
        console.record(&json!({
            "event": "scores", "protocol": table.protocol.name(), "pictures": table.pictures, "fill": entry.name,
            "square": scores_json(&entry.square), "hole": scores_json(&entry.hole),
            "psnr_interval": interval_json(entry.interval(|scores| scores.psnr)),
            "l1_interval": interval_json(entry.interval(|scores| scores.l1)),
            "l2_interval": interval_json(entry.interval(|scores| scores.l2)),
            "each": entry.pictures.iter().map(scores_json).collect::<Vec<_>>(),
        }));
    }
}

/// An interval as it follows a mean; nothing where there is none.
fn in_brackets(interval: Option<&Interval>, decimals: usize) -> String {
    interval
        .map(|Interval { low, high }| format!(" ({low:.decimals$} to {high:.decimals$})"))
        .unwrap_or_default()
}

/// Networks that judge how fills look, where their weights are there.
struct Judges {
    lpips: Option<Lpips>,
    /// With the truth's features.
    fid: Option<(FidFeatures, Fid)>,
}

impl Judges {
    /// Prints how far each fill's pictures look from the truth.
    fn print(
        &self,
        fills: &[&dyn Fill],
        pictures: &[RgbImage],
        masks: &[Mask],
        console: &Console,
    ) -> Result<()> {
        if self.lpips.is_none() && self.fid.is_none() {
            return Ok(());
        }
        console.result("Whole pictures; lower is better.\n\n| fill | LPIPS | FID |\n|---|---|---|");
        for fill in fills {
            let name = fill.name();
            let filled = fill.fill_all(pictures, masks).map_err(EvalError::from).into_diagnostic()?;
            let lpips = self.lpips.as_ref().map(|lpips| {
                let distances = lpips.distances(&filled, pictures);
                let mean = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
                let interval = Interval::of_mean(&distances);
                let bounds = in_brackets(interval.as_ref(), 4);
                console.record(&json!({
                    "event": "lpips", "fill": name, "mean": mean, "interval": interval_json(interval), "each": distances,
                }));
                format!("{mean:.4}{bounds}")
            });
            let fid = self.fid.as_ref().map(|(truths, fid)| {
                let distance = fid.distance(&fid.features(&filled), truths);
                console.record(&json!({ "event": "fid", "fill": name, "distance": distance }));
                distance.map_or("needs two pictures".to_owned(), |distance| format!("{distance:.2}"))
            });
            let [lpips, fid] = [lpips, fid].map(|cell| cell.unwrap_or("-".to_owned()));
            console.result(format_args!("| {name} | {lpips} | {fid} |"));
        }
        console.result("");
        Ok(())
    }
}
