//! A folder's pictures as the network sees them.

use std::{path::Path, sync::Mutex};

use context_encoder::data::{DataError, Folder, FolderOptions, ImageDataset, Purpose, Transform, rng_for};
use image::RgbImage;
use miette::{IntoDiagnostic, Result, miette};

use crate::{
    crew::{Crew, guarded, lock},
    output::{Output, chain},
};

/// A folder whose pictures are read when they are needed, each resized whole to one square.
pub struct SquareFolder {
    folder: Folder,
    view: Transform,
}

impl SquareFolder {
    /// Lists a folder; files that claim to be pictures and are none are named.
    pub fn open(path: &Path, side: u32, output: &Output) -> Result<Self> {
        let folder = Folder::open(path, FolderOptions::default()).into_diagnostic()?;
        for refused in folder.skipped() {
            output.failure(&refused.name, &refused.error.to_string());
        }
        Ok(Self { folder, view: Transform::Resize { size: side } })
    }

    /// How many pictures it lists.
    pub fn len(&self) -> usize {
        self.folder.len()
    }

    /// How many files it refused when it was opened.
    pub fn skipped(&self) -> usize {
        self.folder.skipped().len()
    }

    /// A picture's name below the folder.
    pub fn name(&self, index: usize) -> String {
        ImageDataset::name(&self.folder, index)
    }

    /// A picture's file.
    pub fn path(&self, index: usize) -> &Path {
        self.folder.path(index)
    }

    /// Reads one picture.
    pub fn read(&self, index: usize) -> Result<RgbImage, DataError> {
        let picture = self.folder.image(0, index)?;
        Ok(self.view.apply(&picture, &mut rng_for(0, Purpose::Crop, 0, index as u64)))
    }

    /// Reads some pictures on several threads; those that cannot be read are named and left out.
    pub fn read_some(&self, indices: &[usize], crew: &Crew, output: &Output) -> Vec<(usize, RgbImage)> {
        let read = Mutex::new(Vec::with_capacity(indices.len()));
        crew.share_out(indices.len(), |place| {
            match guarded(|| self.read(indices[place]).into_diagnostic()) {
                Ok(picture) => lock(&read).push((place, picture)),
                Err(report) => output.failure(&self.name(indices[place]), &chain(&report)),
            }
            output.advance();
        });
        let mut read: Vec<(usize, RgbImage)> = std::mem::take(&mut *lock(&read));
        read.sort_by_key(|&(place, _)| place);
        read.into_iter().map(|(place, picture)| (indices[place], picture)).collect()
    }
}

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
        let folder = SquareFolder::open(path, side, output)?;
        let all: Vec<usize> = (0..folder.len()).collect();
        let bar = output.with_bar(folder.len(), "pictures");
        let pictures: Vec<RgbImage> =
            folder.read_some(&all, &Crew::default(), &bar).into_iter().map(|(_, picture)| picture).collect();
        bar.clear_bar();
        if pictures.is_empty() {
            return Err(miette!("no picture in {} can be read", path.display()));
        }
        let failed = folder.skipped() + folder.len() - pictures.len();
        Ok(Self { pictures, failed })
    }
}
