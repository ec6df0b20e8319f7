//! Measures weights on a folder of pictures, as the paper's Table 1 does, beside two fills without a network.
//!
//!     cargo run --release --example evaluate_folder -- --weights runs/paris/model.safetensors DIR
//!
//! Data: a folder of pictures; each is resized whole to the network's square. Time: seconds. Expect: a Markdown
//! table for each protocol with a row for each blend mode, how visible each seam is, and with `--sheet FILE` a picture of the first eight.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Parser;
use context_encoder::{
    data::{ImageDataset, Purpose, Transform, rng_for},
    eval::{Blend, BorderMean, EvalError, Harmonic, Seam, image_grid},
    prelude::*,
};
use image::{Rgb, RgbImage};

#[derive(Parser)]
#[command(about = "Measure weights on a folder of pictures, as in the paper's Table 1")]
struct Arguments {
    /// Folder of pictures
    folder: PathBuf,
    /// Weights that train_paris wrote
    #[arg(long)]
    weights: PathBuf,
    /// Which protocol; all three without it
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Where a sheet of the first pictures goes, as PNG
    #[arg(long)]
    sheet: Option<PathBuf>,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Pictures on the sheet.
const SAMPLES: usize = 8;

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let device = device(&arguments.device)?;
    let model = Model::load(&arguments.weights, &device)?;
    // Unblended is what the network itself has learned: the paper's figures, and ours in other tables.
    let [none, feather, poisson] = Blend::ALL.map(|blend| {
        let name = match blend {
            Blend::None => "context encoder".to_owned(),
            blend => format!("context encoder, {blend}"),
        };
        Inpainter::new(&model, &device).with_blend(blend).named(name)
    });
    let side = none.side();
    let folder = Folder::open(&arguments.folder, FolderOptions::default())?;
    for refused in folder.skipped() {
        eprintln!("skipped {refused}");
    }
    let view = Transform::Resize { size: side };
    let mut pictures: Vec<RgbImage> = Vec::with_capacity(folder.len());
    for index in 0..folder.len() {
        match folder.image(0, index) {
            Ok(picture) => {
                pictures.push(view.apply(&picture, &mut rng_for(0, Purpose::Crop, 0, index as u64)));
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
    if let (Some(path), Some(protocol)) = (&arguments.sheet, protocols.last()) {
        let mask = protocol.mask(side);
        let column = |truth: &RgbImage| {
            let mut column = vec![image_grid::with_hole(truth, &mask, Rgb([128; 3]))];
            for fill in fills {
                column.push(fill.fill(truth, &mask)?);
            }
            column.push(truth.clone());
            Ok(column)
        };
        let columns: Result<Vec<_>, EvalError> = pictures.iter().take(SAMPLES).map(column).collect();
        image_grid::save(&image_grid::lay_out(&columns?), path)?;
        writeln!(out, "wrote {}", path.display())?;
    }
    Ok(())
}

/// Mean jump of the gradient across the hole's boundary, and inside the pictures, levels of 255.
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
