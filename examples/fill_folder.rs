//! Fills a folder of pictures, each under the mask of the same name.
//!
//!     cargo run --release --example fill_folder -- --weights runs/paris/model.safetensors PICTURES MASKS
//! FILLED
//!
//! Data: pictures of any size, and in MASKS a PNG of the same name and size for each, white where the picture
//! is filled. Time: about half a second a megapixel of holes. Expect: a PNG in FILLED for each picture that
//! has a mask, and a line for each that could not be filled.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use context_encoder::{data::ImageDataset, eval::image_grid, prelude::*};

/// Fill a folder of pictures, each under the mask of the same name
#[derive(Parser)]
struct Arguments {
    /// Folder of pictures, with subfolders
    pictures: PathBuf,
    /// Folder of masks: NAME.png for NAME.jpg
    masks: PathBuf,
    /// Folder for the results
    filled: PathBuf,
    /// Weights that train_paris wrote
    #[arg(long)]
    weights: PathBuf,
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Pictures in memory at once: their tiles go through the network in common batches.
const CHUNK: usize = 8;

fn main() -> ExitCode {
    match fill(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("error: {failed} pictures were not filled");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many pictures failed.
fn fill(arguments: &Arguments) -> Result<usize, Box<dyn std::error::Error>> {
    let inpainter = Inpainter::load(&arguments.weights, &device(&arguments.device)?)?;
    let folder = Folder::open(&arguments.pictures, FolderOptions::default())?;
    let mut failed = folder.skipped().len();
    for file in folder.skipped() {
        eprintln!("skipped {file}");
    }
    let indices: Vec<usize> = (0..folder.len()).collect();
    for indices in indices.chunks(CHUNK) {
        let (mut names, mut pictures, mut masks) = (Vec::new(), Vec::new(), Vec::new());
        for &index in indices {
            // The mask of SUBFOLDER/NAME.jpg is SUBFOLDER/NAME.png.
            let path = folder.path(index);
            let name = path.strip_prefix(folder.root()).unwrap_or(path).with_extension("png");
            let read = || -> Result<_, Box<dyn std::error::Error>> {
                let picture = folder.image(0, index)?;
                let mask = Mask::load(arguments.masks.join(&name), Some(picture.dimensions()))?;
                Ok((picture, mask))
            };
            match read() {
                Ok((picture, mask)) => {
                    names.push(name);
                    pictures.push(picture);
                    masks.push(mask);
                }
                Err(error) => {
                    eprintln!("skipped {}: {error}", name.display());
                    failed += 1;
                }
            }
        }
        for (name, filled) in names.iter().zip(inpainter.fill_many(&pictures, &masks)?) {
            let path = arguments.filled.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            image_grid::save(&filled, path)?;
        }
    }
    Ok(failed)
}
