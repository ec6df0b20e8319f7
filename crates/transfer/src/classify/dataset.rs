//! Pictures whose classes are known, decoded and kept in memory.

use std::path::Path;

use context_encoder_data::{Folder, FolderOptions, ImageDataset};
use image::RgbImage;
use rayon::prelude::*;

use crate::{
    TransferError, resize,
    voc::{Label, Voc},
};

/// Pictures whose classes are known, decoded and kept in memory at the size in which they are used.
#[derive(Clone, Debug)]
pub struct LabeledDataset {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The pictures.
    pub pictures: Vec<RgbImage>,
    /// What each shows: `[picture][class]`.
    pub labels: Vec<Vec<Label>>,
}

/// At which size pictures are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Of this shorter side, to cut crops from.
    ShorterSide(u32),
    /// Squeezed into a square.
    Square(u32),
}

impl Resize {
    fn apply(self, picture: &RgbImage) -> RgbImage {
        match self {
            Self::ShorterSide(side) => resize::to_shorter_side(picture, side).0,
            Self::Square(side) => resize::resize(picture, side, side),
        }
    }
}

impl LabeledDataset {
    /// Pictures in a folder with a subfolder for each class.
    ///
    /// # Errors
    /// [`TransferError::Missing`] when there are no subfolders, [`TransferError::Data`] for a picture that
    /// cannot be read.
    pub fn from_folder(root: &Path, keep: Resize) -> Result<Self, TransferError> {
        let options = FolderOptions { strict: true, ..FolderOptions::default() };
        let folder = Folder::open(root, options)?;
        let names: Vec<Option<String>> = (0..folder.len())
            .map(|index| folder.name(index).split_once('/').map(|(class, _)| class.to_owned()))
            .collect();
        let mut classes: Vec<String> = names.iter().flatten().cloned().collect();
        classes.dedup(); // names are sorted
        classes.sort();
        classes.dedup();
        if classes.len() < 2 {
            return Err(TransferError::Missing {
                path: root.join("CLASS"),
                advice: "the folder must have one subfolder of pictures for each of two or more classes"
                    .to_owned(),
            });
        }
        // Pictures beside the subfolders belong to no class.
        let labelled: Vec<(usize, usize)> = names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| Some((index, classes.binary_search(name.as_ref()?).ok()?)))
            .collect();
        let pictures = labelled
            .par_iter()
            .map(|&(index, _)| Ok(keep.apply(&folder.image(0, index)?)))
            .collect::<Result<_, TransferError>>()?;
        let one = |of: usize| {
            (0..classes.len()).map(|class| if class == of { Label::Present } else { Label::Absent }).collect()
        };
        let labels = labelled.iter().map(|&(_, class)| one(class)).collect();
        Ok(Self { pictures, labels, classes })
    }

    /// An image set of VOC.
    ///
    /// # Errors
    /// Those of [`Voc`].
    pub fn from_voc(voc: &Voc, set: &str, keep: Resize) -> Result<Self, TransferError> {
        let labels = voc.labels(set)?;
        let pictures = voc
            .names(set, crate::voc::Task::Main)?
            .par_iter()
            .map(|name| Ok(keep.apply(&voc.picture(name)?)))
            .collect::<Result<_, TransferError>>()?;
        Ok(Self { classes: voc.classes().to_vec(), pictures, labels })
    }

    /// Checks that another dataset has the same classes.
    ///
    /// # Errors
    /// [`TransferError::Settings`] names the classes that one of them lacks.
    pub fn expect_classes_of(&self, other: &Self) -> Result<(), TransferError> {
        let lacks = |a: &Self, b: &Self| -> Vec<String> {
            a.classes.iter().filter(|class| !b.classes.contains(class)).cloned().collect()
        };
        let differ = [lacks(self, other), lacks(other, self)].concat();
        if differ.is_empty() {
            return Ok(());
        }
        Err(TransferError::Settings(format!(
            "the pictures to learn from and to test on have different classes: {}",
            differ.join(", ")
        )))
    }

    /// The class of each picture: the first it shows.
    pub fn labels(&self) -> Vec<usize> {
        let first = |row: &Vec<Label>| row.iter().position(|&label| label == Label::Present);
        self.labels.iter().map(|row| first(row).unwrap_or(0)).collect()
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }
}
