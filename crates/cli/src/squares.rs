//! A folder's pictures as the network sees them.

use std::path::Path;

use context_encoder::data::{Folder, FolderOptions, PictureSource, Purpose, View, stream};
use image::RgbImage;
use miette::{IntoDiagnostic, Result, miette};

use crate::output::Output;

/// Pictures, each resized whole to one square.
pub struct Squares {
    /// In the order of their names.
    pub pictures: Vec<RgbImage>,
    /// How many could not be used; each was named.
    pub failed: usize,
}

impl Squares {
    /// Reads a folder.
    pub fn of(path: &Path, side: u32, output: &Output) -> Result<Self> {
        let folder = Folder::open(path, FolderOptions::default()).into_diagnostic()?;
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
            return Err(miette!("no picture in {} can be read", path.display()));
        }
        Ok(Self { pictures, failed })
    }
}
