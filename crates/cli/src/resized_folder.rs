//! A folder's images at the network's size.

use std::path::Path;

use context_encoder::data::{DataError, Folder, FolderOptions, ImageDataset, Purpose, Transform, rng_for};
use image::RgbImage;
use miette::{IntoDiagnostic, Result, miette};
use rayon::prelude::*;

use crate::{
    console::{Console, error_chain},
    device::ThreadsArgs,
    panics::catch_file_panic,
};

/// A folder whose images are read on demand, each resized to a square without cropping.
pub struct ResizedFolder {
    folder: Folder,
    transform: Transform,
}

impl ResizedFolder {
    /// Lists a folder; files that claim to be images and are not are reported.
    pub fn open(path: &Path, side: u32, console: &Console) -> Result<Self> {
        let folder = Folder::open(path, FolderOptions::default()).into_diagnostic()?;
        for file in folder.skipped() {
            console.failure(&file.name, &file.error.to_string());
        }
        Ok(Self { folder, transform: Transform::Resize { size: side } })
    }

    pub fn len(&self) -> usize {
        self.folder.len()
    }

    /// Number of files that were reported by `open`.
    pub fn skipped(&self) -> usize {
        self.folder.skipped().len()
    }

    /// An image's name below the folder.
    pub fn name(&self, index: usize) -> String {
        ImageDataset::name(&self.folder, index)
    }

    pub fn path(&self, index: usize) -> &Path {
        self.folder.path(index)
    }

    pub fn read(&self, index: usize) -> Result<RgbImage, DataError> {
        let image = self.folder.image(0, index)?;
        Ok(self.transform.apply(&image, &mut rng_for(0, Purpose::Crop, 0, index as u64)))
    }

    /// Reads images on several threads; those that cannot be read are reported and left out.
    pub fn read_many(
        &self,
        indices: &[usize],
        threads: &ThreadsArgs,
        console: &Console,
    ) -> Result<(Vec<usize>, Vec<RgbImage>)> {
        let read = |&index: &usize| {
            let image = catch_file_panic(|| self.read(index).into_diagnostic());
            console.advance();
            image
                .map(|image| (index, image))
                .inspect_err(|report| console.failure(&self.name(index), &error_chain(report)))
                .ok()
        };
        Ok(threads.pool(indices.len())?.install(|| indices.par_iter().filter_map(read).unzip()))
    }

    /// Reads all images, at least one.
    pub fn read_all(&self, threads: &ThreadsArgs, console: &Console) -> Result<(Vec<usize>, Vec<RgbImage>)> {
        let all: Vec<usize> = (0..self.len()).collect();
        let bar = console.with_bar(all.len(), "pictures");
        let (indices, images) = self.read_many(&all, threads, &bar)?;
        bar.clear_bar();
        if images.is_empty() {
            return Err(miette!("no picture in {} can be read", self.folder.root().display()));
        }
        Ok((indices, images))
    }
}
