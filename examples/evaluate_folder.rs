//! Evaluates weights on a folder of pictures, as the paper's Table 1 does, beside two baselines without a
//! network.
//!
//!     cargo run --release --example evaluate_folder -- --weights runs/paris/model.safetensors DIR
//!
//! Data: a folder of pictures; each is resized to the network's size without cropping. Time: seconds. Expect:
//! a Markdown table for each protocol with a row for each blend mode, how visible each seam is, and with
//! `--image-grid FILE` a PNG of the first eight pictures.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Parser;
use context_encoder::{
    data::{ImageDataset, Purpose, Transform, rng_for},
    eval::{Blend, BorderMean, EvalError, Harmonic, Seam, image_grid},
    prelude::*,
};
use image::{Rgb, RgbImage};

/// Evaluate weights on a folder of pictures, as in the paper's Table 1
#[derive(Parser)]
struct Arguments {
    /// Folder of pictures
    folder: PathBuf,
    /// Weights that train_paris wrote
    #[arg(long)]
    weights: PathBuf,
    /// How much is hidden: paper, authors or hidden; all three without it
    #[arg(long)]
    protocol: Option<Protocol>,
    /// PNG file for an image grid of the first pictures
    #[arg(long, alias = "sheet")]
    image_grid: Option<PathBuf>,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Pictures in the image grid.
const GRID_PICTURES: usize = 8;

fn main() -> ExitCode {
    if let Err(error) = evaluate_folder(&Arguments::parse()) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn evaluate_folder(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let device = device(&arguments.device)?;
    let model = Model::load(&arguments.weights, &device)?;
    // The unblended prediction is what the paper measures.
    let [none, feather, poisson] = Blend::ALL.map(|blend| {
        let name = match blend {
            Blend::None => "context encoder".to_owned(),
            blend => format!("context encoder, {blend}"),
        };
        Inpainter::new(&model, &device).with_blend(blend).with_refine(Refine::None).named(name)
    });
    let side = none.side();
    let folder = Folder::open(&arguments.folder, FolderOptions::default())?;
    for file in folder.skipped() {
        eprintln!("skipped {file}");
    }
    let resize = Transform::Resize { size: side };
    let mut pictures: Vec<RgbImage> = Vec::with_capacity(folder.len());
    for index in 0..folder.len() {
        match folder.image(0, index) {
            Ok(picture) => {
                pictures.push(resize.apply(&picture, &mut rng_for(0, Purpose::Crop, 0, index as u64)));
            }
            Err(error) => eprintln!("skipped {error}"),
        }
    }

    let fills: [&dyn Fill; 5] = [&none, &feather, &poisson, &BorderMean, &Harmonic];
    if pictures.is_empty() {
        return Err(format!("no picture in {} can be read", arguments.folder.display()).into());
    }
    let protocols = arguments.protocol.map_or(Protocol::ALL.to_vec(), |protocol| vec![protocol]);
    let mut out = std::io::stdout().lock();
    for &protocol in &protocols {
        writeln!(out, "{}\n", evaluate(&fills, &pictures, protocol)?)?;
        for fill in fills {
            let (boundary, picture) = mean_seam(fill, &pictures, &protocol.mask(side))?;
            writeln!(out, "{}: seam {boundary:.2}, inside the pictures {picture:.2} levels", fill.name())?;
        }
        writeln!(out)?;
    }
    if let (Some(path), Some(protocol)) = (&arguments.image_grid, protocols.last()) {
        let mask = protocol.mask(side);
        let column = |truth: &RgbImage| {
            let mut column = vec![image_grid::with_hole(truth, &mask, Rgb([128; 3]))];
            for fill in fills {
                column.push(fill.fill(truth, &mask)?);
            }
            column.push(truth.clone());
            Ok(column)
        };
        let columns: Result<Vec<_>, EvalError> = pictures.iter().take(GRID_PICTURES).map(column).collect();
        image_grid::save(&image_grid::lay_out(&columns?), path)?;
        writeln!(out, "wrote {}", path.display())?;
    }
    Ok(())
}

/// Mean jump of the gradient across the mask's boundary, and inside the pictures, in levels of 255.
fn mean_seam(fill: &dyn Fill, pictures: &[RgbImage], mask: &Mask) -> Result<(f64, f64), EvalError> {
    let (mut boundary, mut inside) = (0.0, 0.0);
    for filled in fill.fill_all(pictures, &vec![mask.clone(); pictures.len()])? {
        let seam = Seam::measure(&filled, mask)?;
        boundary += seam.boundary;
        inside += seam.picture;
    }
    let count = pictures.len() as f64;
    Ok((boundary / count, inside / count))
}
