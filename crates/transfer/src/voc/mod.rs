//! PASCAL VOC's folders: pictures, annotations, image sets, class masks.

mod annotation;
mod class_mask;
mod image_sets;
pub mod tiny;

use std::path::{Path, PathBuf};

use context_encoder_data::{Limits, decode};
use image::RgbImage;

use crate::TransferError;
pub use annotation::{Annotation, Object};
pub use class_mask::ClassMask;
pub use image_sets::{Label, Task};

/// One year of the VOC development kit, or anything in its layout:
///
/// ```text
/// JPEGImages/000001.jpg            pictures
/// Annotations/000001.xml           boxes and classes
/// ImageSets/Main/train.txt         names, one a line
/// ImageSets/Main/cat_train.txt     name and 1 (has cats), -1 (has none), 0 (has difficult ones only)
/// ImageSets/Segmentation/train.txt names of pictures with class masks
/// SegmentationClass/000001.png     palette PNG: 0 background, class numbers from 1, 255 border
/// ```
///
/// Classes are those that `ImageSets/Main` has files for, in alphabetical order, which is VOC's own.
///
/// ```
/// use context_encoder_transfer::voc::{Task, Voc, tiny};
///
/// let folder = std::env::temp_dir().join("context-encoder-doc-voc");
/// tiny::draw(&folder, 4, 1)?;
/// let voc = Voc::open(&folder)?;
/// assert_eq!(voc.classes(), ["disc", "square", "triangle"]);
/// let names = voc.names("trainval", Task::Main)?;
/// let object = &voc.annotation(&names[0])?.objects[0];
/// assert!(object.class < 3 && object.rect.area() > 0.0);
/// # std::fs::remove_dir_all(folder).expect("just written");
/// # Ok::<(), context_encoder_transfer::TransferError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Voc {
    root: PathBuf,
    classes: Vec<String>,
}

impl Voc {
    /// Opens a year's folder, such as `VOCdevkit/VOC2007`.
    ///
    /// # Errors
    /// [`TransferError::Missing`] when the layout is not there.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, TransferError> {
        let root = root.as_ref();
        let missing = |folder: &str| TransferError::Missing {
            path: root.join(folder),
            advice: format!(
                "{} must be a year of PASCAL VOC, with the folders JPEGImages, Annotations and ImageSets; fetch \
                 VOCtrainval_06-Nov-2007.tar and VOCtest_06-Nov-2007.tar (classification, detection) or \
                 VOCtrainval_11-May-2012.tar (segmentation), unpack them, and name VOCdevkit/VOC2007 or VOCdevkit/VOC2012",
                root.display()
            ),
        };
        for folder in ["JPEGImages", "ImageSets"] {
            if !root.join(folder).is_dir() {
                return Err(missing(folder));
            }
        }
        Ok(Self { root: root.to_owned(), classes: image_sets::classes(root) })
    }

    /// Opens a year below a development kit: `folder` itself if it holds the layout, else `folder/VOC2007`
    /// and the like, else `folder/VOCdevkit/VOC2007`.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn of_year(folder: impl AsRef<Path>, year: u16) -> Result<Self, TransferError> {
        let folder = folder.as_ref();
        let name = format!("VOC{year}");
        let places = [folder.to_owned(), folder.join(&name), folder.join("VOCdevkit").join(&name)];
        let found = places.iter().find(|place| place.join("ImageSets").is_dir());
        Self::open(found.unwrap_or(&places[1]))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of all its pictures, those to learn from and those to test on.
    pub fn pictures(&self) -> PathBuf {
        self.root.join("JPEGImages")
    }

    /// Names of the classes; object classes count from 0, labels of pixels from 1.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Names of an image set's pictures, such as `trainval`.
    ///
    /// # Errors
    /// [`TransferError::Missing`] when there is no such set, [`TransferError::Malformed`] when it is empty.
    pub fn names(&self, set: &str, task: Task) -> Result<Vec<String>, TransferError> {
        image_sets::names(&self.root, set, task)
    }

    /// Which classes each of a set's pictures shows, in the order of [`names`](Self::names):
    /// `[picture][class]`.
    ///
    /// # Errors
    /// As for [`names`](Self::names), for the classes' files.
    pub fn labels(&self, set: &str) -> Result<Vec<Vec<Label>>, TransferError> {
        image_sets::labels(&self.root, set, &self.classes)
    }

    /// A picture, as it was taken.
    ///
    /// # Errors
    /// [`TransferError::Data`] when it cannot be read.
    pub fn picture(&self, name: &str) -> Result<RgbImage, TransferError> {
        let path = self.pictures().join(format!("{name}.jpg"));
        Ok(decode(&path, &Limits { min_side: 1, ..Limits::default() })?)
    }

    /// The objects in a picture.
    ///
    /// # Errors
    /// [`TransferError::Io`] when there is no annotation, [`TransferError::Malformed`] when it cannot be
    /// understood or names a class that the image sets do not have.
    pub fn annotation(&self, name: &str) -> Result<Annotation, TransferError> {
        Annotation::read(&self.root.join("Annotations").join(format!("{name}.xml")), &self.classes)
    }

    /// The class of every pixel of a picture.
    ///
    /// # Errors
    /// [`TransferError::Io`] when there is no mask, [`TransferError::Malformed`] when it holds no class
    /// numbers.
    pub fn class_mask(&self, name: &str) -> Result<ClassMask, TransferError> {
        let path = self.root.join("SegmentationClass").join(format!("{name}.png"));
        ClassMask::read(&path, self.classes.len())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn missing_folders_say_what_belongs_there() {
        let folder = tempfile::tempdir().expect("folder");
        let error = Voc::of_year(folder.path(), 2007).expect_err("empty").to_string();
        assert!(
            error.contains("VOC2007/JPEGImages") && error.contains("VOCtrainval_06-Nov-2007.tar"),
            "{error}"
        );
        tiny::draw(&folder.path().join("VOCdevkit/VOC2012"), 4, 0).expect("drawn");
        let voc = Voc::of_year(folder.path(), 2012).expect("two folders down");
        let error = voc.names("holdout", Task::Main).expect_err("no such set").to_string();
        assert!(error.contains("ImageSets/Main/holdout.txt") && error.contains("trainval"), "{error}");
        fs::remove_file(voc.root().join("Annotations/000000.xml")).expect("removed");
        assert!(voc.annotation("000000").expect_err("gone").to_string().contains("000000.xml"));
        assert!(voc.picture("000099").expect_err("absent").to_string().contains("000099.jpg"));
        assert!(voc.class_mask("000099").expect_err("absent").to_string().contains("000099.png"));
    }
}
