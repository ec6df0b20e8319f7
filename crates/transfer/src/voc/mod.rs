//! PASCAL VOC's folders: images, annotations, image sets, class masks.

mod annotation;
mod image_sets;
mod shapes;

use std::path::{Path, PathBuf};

use context_encoder_data::{Limits, decode};
use image::RgbImage;

use crate::TransferError;
pub(crate) use annotation::{Annotation, IGNORED};
pub use annotation::{ClassMask, Object};
pub use image_sets::Label;

/// One year of the VOC development kit, or anything in its layout:
///
/// ```text
/// JPEGImages/000001.jpg            images
/// Annotations/000001.xml           boxes and classes
/// ImageSets/Main/train.txt         names, one a line
/// ImageSets/Main/cat_train.txt     name and 1 (has cats), -1 (has none), 0 (has difficult ones only)
/// ImageSets/Segmentation/train.txt names of images with class masks
/// SegmentationClass/000001.png     palette PNG: 0 background, class numbers from 1, 255 border
/// ```
///
/// Classes are those that `ImageSets/Main` has files for, in alphabetical order, which is VOC's own.
///
/// ```
/// use context_encoder_transfer::{LabeledDataset, Resize, Voc};
///
/// let folder = std::env::temp_dir().join("context-encoder-doc-voc");
/// let voc = Voc::draw_shapes(&folder, 4, 1)?;
/// assert_eq!(voc.classes(), ["disc", "square", "triangle"]);
/// let dataset = LabeledDataset::from_voc(&voc, "trainval", Resize::Square(64))?;
/// assert_eq!(dataset.samples[0].labels.len(), 3);
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
    /// and the like, else `folder/VOCdevkit/VOC2007`. Where that year is missing and one other is there, that
    /// one serves instead.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn of_year(folder: impl AsRef<Path>, year: u16) -> Result<Self, TransferError> {
        let folder = folder.as_ref();
        let name = format!("VOC{year}");
        let kit = folder.join("VOCdevkit");
        let candidates = [folder.to_owned(), folder.join(&name), kit.join(&name)];
        let found = candidates.iter().find(|candidate| is_year(candidate)).cloned();
        let found = found.or_else(|| only_year(folder)).or_else(|| only_year(&kit));
        Self::open(found.as_ref().unwrap_or(&candidates[1]))
    }

    /// Draws a small synthetic data set in VOC's layout into a folder: `count` images of discs, squares and
    /// triangles, with annotations, image sets and class masks. The first half is `train`, the next
    /// quarter `val` (both together `trainval`), the rest `test`. The same seed draws the same.
    ///
    /// # Errors
    /// [`TransferError::Io`] when something cannot be written, [`TransferError::Settings`] for less than four
    /// images.
    pub fn draw_shapes(root: impl AsRef<Path>, count: usize, seed: u64) -> Result<Self, TransferError> {
        shapes::draw(root.as_ref(), count, seed)?;
        Self::open(root)
    }

    /// The folder of all its images, training and test.
    pub fn images(&self) -> PathBuf {
        self.root.join("JPEGImages")
    }

    /// Names of the classes; classes of objects count from 0, those of pixels from 1.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Names of the images of a set, such as `trainval`, for classification and detection.
    pub(crate) fn names(&self, set: &str) -> Result<Vec<String>, TransferError> {
        image_sets::names(&self.root, set, "Main")
    }

    /// Names of the images of a set that have class masks.
    pub(crate) fn names_with_masks(&self, set: &str) -> Result<Vec<String>, TransferError> {
        image_sets::names(&self.root, set, "Segmentation")
    }

    /// The labels of each of a set's images, in the order of [`names`](Self::names): `[image][class]`.
    pub(crate) fn labels(&self, set: &str) -> Result<Vec<Vec<Label>>, TransferError> {
        image_sets::labels(&self.root, set, &self.classes)
    }

    /// An image, in its original size.
    pub(crate) fn image(&self, name: &str) -> Result<RgbImage, TransferError> {
        let path = self.images().join(format!("{name}.jpg"));
        Ok(decode(&path, &Limits { min_side: 1, ..Limits::default() })?)
    }

    /// The objects in an image.
    pub(crate) fn annotation(&self, name: &str) -> Result<Annotation, TransferError> {
        Annotation::read(&self.annotation_path(name), &self.classes)
    }

    pub(crate) fn annotation_path(&self, name: &str) -> PathBuf {
        self.root.join("Annotations").join(format!("{name}.xml"))
    }

    /// The class of every pixel of an image.
    pub(crate) fn class_mask(&self, name: &str) -> Result<ClassMask, TransferError> {
        ClassMask::read(&self.class_mask_path(name), self.classes.len())
    }

    pub(crate) fn class_mask_path(&self, name: &str) -> PathBuf {
        self.root.join("SegmentationClass").join(format!("{name}.png"))
    }
}

fn is_year(folder: &Path) -> bool {
    folder.join("ImageSets").is_dir()
}

/// The year below a development kit that has one alone.
fn only_year(kit: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(kit).ok()?.flatten().map(|entry| entry.path());
    let mut years = entries.filter(|path| is_year(path));
    years.next().filter(|_| years.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn missing_folders_and_files_are_named_with_advice() {
        let folder = tempfile::tempdir().expect("folder");
        let error = Voc::of_year(folder.path(), 2007).expect_err("empty").to_string();
        assert!(
            error.contains("VOC2007/JPEGImages") && error.contains("VOCtrainval_06-Nov-2007.tar"),
            "{error}"
        );
        let root = folder.path().join("VOCdevkit/VOC2012");
        Voc::draw_shapes(&root, 4, 0).expect("drawn");
        let voc = Voc::of_year(folder.path(), 2012).expect("two folders down");
        Voc::of_year(folder.path(), 2007).expect("the one year there is");
        Voc::draw_shapes(folder.path().join("VOCdevkit/VOC2010"), 4, 0).expect("drawn");
        Voc::of_year(folder.path(), 2007).expect_err("which of the two?");
        let error = voc.names("holdout").expect_err("no such set").to_string();
        assert!(error.contains("ImageSets/Main/holdout.txt") && error.contains("trainval"), "{error}");
        fs::remove_file(root.join("Annotations/000000.xml")).expect("removed");
        assert!(voc.annotation("000000").expect_err("gone").to_string().contains("000000.xml"));
        assert!(voc.image("000099").expect_err("absent").to_string().contains("000099.jpg"));
        assert!(voc.class_mask("000099").expect_err("absent").to_string().contains("000099.png"));
    }

    #[test]
    fn masks_and_boxes_of_drawn_shapes_agree() {
        let folder = tempfile::tempdir().expect("folder");
        let voc = Voc::draw_shapes(folder.path(), 8, 3).expect("drawn");
        for (set, count) in [("train", 4), ("val", 2), ("trainval", 6), ("test", 2)] {
            let names = voc.names_with_masks(set).expect("named");
            assert_eq!(names.len(), count);
            for (name, labels) in names.iter().zip(voc.labels(set).expect("read")) {
                let (image, mask) = (voc.image(name).expect("image"), voc.class_mask(name).expect("mask"));
                let annotation = voc.annotation(name).expect("annotation");
                assert_eq!(image.dimensions(), (mask.width, mask.height));
                assert_eq!(image.dimensions(), (annotation.width, annotation.height));
                for Object { class, rect, .. } in annotation.objects {
                    assert_eq!(labels[class], Label::Positive);
                    let (x, y) = ((rect.left + rect.right) / 2.0, rect.top + 0.7 * rect.height());
                    let at = y as usize * mask.width as usize + x as usize;
                    assert_eq!(usize::from(mask.classes[at]), class + 1);
                }
            }
        }
        let first = fs::read(folder.path().join("JPEGImages/000000.jpg")).expect("file");
        Voc::draw_shapes(folder.path(), 8, 3).expect("drawn again");
        assert_eq!(first, fs::read(folder.path().join("JPEGImages/000000.jpg")).expect("file"));
        Voc::draw_shapes(folder.path(), 3, 3).expect_err("too few");
    }
}
