//! Labelled images, decoded and kept in memory.

use std::path::Path;

use burn::tensor::{
    Device, Tensor, TensorData,
    activation::{sigmoid, softmax},
};
use context_encoder_data::{Folder, FolderOptions, ImageDataset};
use image::RgbImage;
use rayon::prelude::*;

use crate::{
    TransferError, images,
    metric::Metrics,
    voc::{Label, Voc},
};

/// How many classes an image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Classification {
    /// Exactly one: softmax, accuracy.
    #[default]
    SingleLabel,
    /// Any number: a sigmoid for each class, mean average precision.
    MultiLabel,
}

impl Classification {
    /// Probabilities from logits, `[batch, classes]` both.
    pub(crate) fn probabilities(self, logits: Tensor<2>) -> Tensor<2> {
        match self {
            Self::SingleLabel => softmax(logits, 1),
            Self::MultiLabel => sigmoid(logits),
        }
    }

    /// Metrics of `scores[image][class]`.
    pub(crate) fn metrics(self, scores: &[Vec<f32>], samples: &[LabeledImage]) -> Metrics {
        match self {
            Self::SingleLabel => {
                // The first positive class, as in a folder's images, which have one.
                let class = |sample: &LabeledImage| {
                    sample.labels.iter().position(|label| *label == Label::Positive).unwrap_or(0)
                };
                Metrics::accuracy(scores, &samples.iter().map(class).collect::<Vec<_>>())
            }
            Self::MultiLabel => Metrics::mean_average_precision(scores, &labels(samples)),
        }
    }
}

/// The size in which images are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// This shorter side, to cut crops from.
    ShorterSide(u32),
    /// Squares of this side, regardless of the aspect ratio.
    Square(u32),
}

impl Resize {
    fn apply(self, image: &RgbImage) -> RgbImage {
        match self {
            Self::ShorterSide(side) => images::resize_shorter_side(image, side).0,
            Self::Square(side) => images::resize(image, side, side),
        }
    }
}

/// An image and its label for each class.
#[derive(Clone, Debug)]
pub struct LabeledImage {
    /// The image.
    pub image: RgbImage,
    /// One label a class.
    pub labels: Vec<Label>,
}

/// Labelled images, decoded and kept in memory in the size in which they are used.
#[derive(Clone, Debug)]
pub struct LabeledDataset {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The images.
    pub samples: Vec<LabeledImage>,
}

impl LabeledDataset {
    /// A folder with a subfolder of images for each class.
    ///
    /// # Errors
    /// [`TransferError::Missing`] when there are no subfolders, [`TransferError::Data`] for an image that
    /// cannot be read.
    pub fn from_folder(root: &Path, resize: Resize) -> Result<Self, TransferError> {
        let options = FolderOptions { strict: true, ..FolderOptions::default() };
        let folder = Folder::open(root, options)?;
        let names: Vec<Option<String>> = (0..folder.len())
            .map(|index| folder.name(index).split_once('/').map(|(class, _)| class.to_owned()))
            .collect();
        let mut classes: Vec<String> = names.iter().flatten().cloned().collect();
        classes.sort();
        classes.dedup();
        if classes.len() < 2 {
            return Err(TransferError::Missing {
                path: root.join("CLASS"),
                advice: "the folder must have one subfolder of images for each of two or more classes"
                    .to_owned(),
            });
        }
        // Images beside the subfolders belong to no class.
        let labelled: Vec<(usize, &String)> =
            names.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_ref()?))).collect();
        let read = |(index, name): (usize, &String)| {
            let label = |class: &String| if class == name { Label::Positive } else { Label::Negative };
            let image = resize.apply(&folder.image(0, index)?);
            Ok(LabeledImage { image, labels: classes.iter().map(label).collect() })
        };
        let samples = labelled.into_par_iter().map(read).collect::<Result<_, TransferError>>()?;
        Ok(Self { classes, samples })
    }

    /// An image set of VOC.
    ///
    /// # Errors
    /// [`TransferError::Missing`], [`TransferError::Malformed`] and [`TransferError::Io`] name the file,
    /// [`TransferError::Data`] an image that cannot be read.
    pub fn from_voc(voc: &Voc, set: &str, resize: Resize) -> Result<Self, TransferError> {
        let labels = voc.labels(set)?;
        let names = voc.names(set)?;
        let read = |(name, labels): (&String, Vec<Label>)| {
            Ok(LabeledImage { image: resize.apply(&voc.image(name)?), labels })
        };
        let samples = names.par_iter().zip(labels).map(read).collect::<Result<_, TransferError>>()?;
        Ok(Self { classes: voc.classes().to_vec(), samples })
    }

    /// Checks that another data set has the same classes.
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
            "the training set and the test set have different classes: {}",
            differ.join(", ")
        )))
    }
}

/// The rows of labels.
pub(crate) fn labels(samples: &[LabeledImage]) -> Vec<&[Label]> {
    samples.iter().map(|sample| sample.labels.as_slice()).collect()
}

/// Labels as numbers, `[rows, classes]` both: targets, 1 for positive labels and else 0; and weights, 0 for
/// difficult labels and else 1.
pub(crate) fn targets(rows: &[&[Label]], device: &Device) -> [Tensor<2>; 2] {
    let shape = [rows.len(), rows.first().map_or(0, |row| row.len())];
    let table = |number: fn(Label) -> bool| {
        let values: Vec<f32> =
            rows.iter().flat_map(|row| row.iter().map(|&label| f32::from(number(label)))).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    [table(|label| label == Label::Positive), table(|label| label != Label::Difficult)]
}
