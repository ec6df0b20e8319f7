//! Images with objects and proposals, and the regions sampled from them for training.

use std::{collections::BTreeMap, path::Path};

use burn::tensor::{Device, Tensor, TensorData};
use image::{RgbImage, imageops::flip_horizontal};
use rand::{Rng, RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{proposals, roi_pool::pad};
use crate::{
    TransferError,
    boxes::{BoxDeltas, Rect},
    images::resize_shorter_side,
    voc::{Object, Voc},
};

/// Regions of an image in a batch, and the largest fraction of objects among them (Fast R-CNN).
const REGIONS: usize = 64;
const OBJECT_FRACTION: f32 = 0.25;

/// Intersection over union with an object from which on a region is that object, and from which on, below
/// that, it is background; less is too easy.
const OBJECT_IOU: f32 = 0.5;
const BACKGROUND_IOU: f32 = 0.1;

/// An image at the size in which it is used, with its objects and proposals, all in its pixels.
#[derive(Clone, Debug)]
pub struct DetectionSample {
    /// The image.
    pub image: RgbImage,
    /// Its objects.
    pub objects: Vec<Object>,
    /// Where objects might be.
    pub proposals: Vec<Rect>,
}

impl DetectionSample {
    /// An image set of VOC, resized to a shorter side (600 pixels in Fast R-CNN). Proposals are those
    /// [read from a file](Self::read_proposals), in pixels of the original images, or up to `count` windows
    /// with many edges inside and few around.
    ///
    /// # Errors
    /// [`TransferError::Missing`], [`TransferError::Malformed`] (also where boxes are of a picture of another
    /// size) and [`TransferError::Io`] name the file,
    /// [`TransferError::Data`] an image that cannot be read, and [`TransferError::Settings`] an image without
    /// a line in the file of proposals.
    pub fn from_voc(
        voc: &Voc,
        set: &str,
        shorter_side: u32,
        given: Option<&BTreeMap<String, Vec<Rect>>>,
        count: usize,
    ) -> Result<Vec<Self>, TransferError> {
        let read = |name: &String| {
            let (original, annotation) = (voc.image(name)?, voc.annotation(name)?);
            // Some tools write a size of 0.
            let is_said = annotation.width > 0 && annotation.height > 0;
            if is_said && original.dimensions() != (annotation.width, annotation.height) {
                let (width, height) = original.dimensions();
                let reason = format!(
                    "it is of a picture of {}x{}, which is {width}x{height} (turned upright, if its EXIF data say so): its boxes do not fit",
                    annotation.width, annotation.height
                );
                return Err(TransferError::malformed(&voc.annotation_path(name), reason));
            }
            let (image, factor) = resize_shorter_side(&original, shorter_side);
            let proposals = match given {
                None => proposals::from_edges(&original, count),
                Some(given) => given.get(name).cloned().ok_or_else(|| {
                    TransferError::Settings(format!("the file of proposals has no line for picture {name}"))
                })?,
            };
            let (width, height) = (image.width() as f32, image.height() as f32);
            let fit = |rect: Rect| rect.scale(factor).clip(width, height);
            let objects = annotation.objects;
            Ok(Self { image, objects, proposals }.map_boxes(fit))
        };
        voc.names(set)?.par_iter().map(read).collect()
    }

    /// Reads a file of proposals, by the image's name, best first. It has one JSON object a line,
    /// `{"picture": "000001", "boxes": [[left, top, right, bottom], ...]}`, in pixels counted from 0, right
    /// and bottom exclusive (a box of a whole 500x375 image is `[0, 0, 500, 375]`).
    ///
    /// # Errors
    /// [`TransferError::Io`], and [`TransferError::Malformed`] with the line's number.
    pub fn read_proposals(path: &Path) -> Result<BTreeMap<String, Vec<Rect>>, TransferError> {
        proposals::read(path)
    }

    /// The fraction of the samples' objects, difficult ones aside, that a proposal overlaps with an
    /// intersection over union of at least `iou`: no detector finds more. NaN without objects.
    #[must_use]
    pub fn recall(samples: &[Self], iou: f32) -> f64 {
        let found = |sample: &Self, object: &Object| {
            sample.proposals.iter().any(|proposal| object.rect.iou(proposal) >= iou)
        };
        let objects = samples.iter().flat_map(|sample| {
            let counted = sample.objects.iter().filter(|object| !object.difficult);
            counted.map(move |object| found(sample, object))
        });
        let (all, found) =
            objects.fold((0, 0), |(all, found), is_found| (all + 1, found + u32::from(is_found)));
        f64::from(found) / f64::from(all)
    }

    fn map_boxes(self, map: impl Fn(Rect) -> Rect) -> Self {
        let object = |object: Object| Object { rect: map(object.rect), ..object };
        Self {
            objects: self.objects.into_iter().map(object).collect(),
            proposals: self.proposals.into_iter().map(&map).collect(),
            image: self.image,
        }
    }

    fn flip_horizontal(self) -> Self {
        let width = self.image.width() as f32;
        let image = flip_horizontal(&self.image);
        Self { image, ..self }.map_boxes(|rect| rect.flip_horizontal(width))
    }
}

/// Images with sampled regions.
pub(super) struct DetectionBatch {
    /// `[batch, 3, height, width]` in `[-1, 1]`, [padded](pad).
    pub(super) images: Tensor<4>,
    /// Index of the image and box of each region.
    pub(super) regions: Vec<(usize, Rect)>,
    /// `[regions, classes + 1]`: 1 at the region's class, background first.
    pub(super) classes: Tensor<2>,
    /// `[regions, 4 (classes + 1)]`: deltas at the region's class.
    pub(super) deltas: Tensor<2>,
    /// `[regions, 4 (classes + 1)]`: 1 where a delta counts, 0 elsewhere.
    pub(super) weights: Tensor<2>,
}

impl DetectionBatch {
    /// Whole images, flipped with probability 1/2, with regions sampled from their proposals; `columns` is
    /// the number of classes, background included.
    pub(super) fn new(samples: Vec<(&DetectionSample, ChaCha8Rng)>, columns: usize, device: &Device) -> Self {
        let (mut regions, mut images) = (Vec::new(), Vec::new());
        let (mut classes, mut deltas, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (sample, mut rng)) in samples.into_iter().enumerate() {
            let sample = sample.clone();
            let sample = if rng.random() { sample.flip_horizontal() } else { sample };
            for region in sample_regions(&sample.proposals, &sample.objects, REGIONS, &mut rng) {
                let class = region.object.map_or(0, |(class, _)| class + 1);
                regions.push((number, region.rect));
                for column in 0..columns {
                    let counts = column == class && class > 0;
                    classes.push(f32::from(column == class));
                    weights.extend([f32::from(counts); 4]);
                    deltas.extend(region.object.filter(|_| counts).map_or([0.0; 4], |(_, deltas)| deltas.0));
                }
            }
            images.push(sample.image);
        }
        let images: Vec<&RgbImage> = images.iter().collect();
        let table = |values: Vec<f32>| {
            let shape = [regions.len(), values.len() / regions.len().max(1)];
            Tensor::<2>::from_data(TensorData::new(values, shape), device)
        };
        Self {
            images: pad(&images, device),
            classes: table(classes),
            deltas: table(deltas),
            weights: table(weights),
            regions,
        }
    }
}

/// A region to train on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Region {
    rect: Rect,
    /// Its class and the deltas to its object; none for background.
    object: Option<(usize, BoxDeltas)>,
}

/// Samples up to `count` of an image's proposals and objects for training (Fast R-CNN, section 2.3).
/// Difficult objects are left out of everything.
fn sample_regions(proposals: &[Rect], objects: &[Object], count: usize, rng: &mut impl Rng) -> Vec<Region> {
    let truths: Vec<&Object> = objects.iter().filter(|object| !object.difficult).collect();
    let all = proposals.iter().copied().chain(truths.iter().map(|object| object.rect));
    let (mut positive, mut background, mut easy) = (Vec::new(), Vec::new(), Vec::new());
    for rect in all.filter(|rect| rect.width() >= 1.0 && rect.height() >= 1.0) {
        let ious = truths.iter().map(|object| (object.rect.iou(&rect), object));
        match ious.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((iou, object)) if iou >= OBJECT_IOU => {
                let deltas = BoxDeltas::encode(&rect, &object.rect);
                positive.push(Region { rect, object: Some((object.class, deltas)) });
            }
            Some((iou, _)) if iou >= BACKGROUND_IOU => {
                background.push(Region { rect, object: None });
            }
            _ => easy.push(Region { rect, object: None }),
        }
    }
    for regions in [&mut positive, &mut background, &mut easy] {
        regions.shuffle(rng);
    }
    positive.truncate((OBJECT_FRACTION * count as f32).round() as usize);
    // Easy background only where there is not enough of the other.
    let rest = background.into_iter().chain(easy).take(count.saturating_sub(positive.len()));
    positive.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use context_encoder_data::{Purpose, rng_for};

    use super::*;

    #[test]
    fn recall_counts_objects_and_not_difficult_ones() {
        let object = |left: f32, difficult| Object {
            class: 0,
            rect: Rect::new(left, 0.0, left + 10.0, 10.0),
            difficult,
        };
        let sample =
            |objects, proposals| DetectionSample { image: RgbImage::new(60, 20), objects, proposals };
        let samples = [
            // Overlaps of 10 x 8 in 10 x 12: 2/3; and of nothing.
            sample(vec![object(0.0, false), object(40.0, true)], vec![Rect::new(0.0, 2.0, 10.0, 12.0)]),
            sample(vec![object(20.0, false)], vec![]),
        ];
        assert_eq!(DetectionSample::recall(&samples, 0.5), 0.5);
        assert_eq!(DetectionSample::recall(&samples, 0.7), 0.0);
        assert!(DetectionSample::recall(&samples[..0], 0.5).is_nan());
    }

    #[test]
    fn quarter_of_the_regions_are_objects_at_most() {
        let object = Object { class: 2, rect: Rect::new(0.0, 0.0, 20.0, 20.0), difficult: false };
        let difficult = Object { class: 1, rect: Rect::new(60.0, 0.0, 80.0, 20.0), difficult: true };
        let slide = |x: usize| Rect::new(x as f32, 0.0, x as f32 + 20.0, 20.0);
        let proposals: Vec<Rect> = (0..80).map(slide).collect();
        let rng = || rng_for(1, Purpose::Crop, 0, 0);
        let regions = sample_regions(&proposals, &[object, difficult], 12, &mut rng());
        assert_eq!(regions.len(), 12);
        assert_eq!(regions.iter().filter(|region| region.object.is_some()).count(), 3);
        for region in regions {
            let iou = region.rect.iou(&object.rect);
            assert_eq!(region.object.is_some(), iou >= 0.5);
            match region.object {
                Some((class, deltas)) => {
                    assert!(class == 2 && deltas.decode(&region.rect).iou(&object.rect) > 0.999);
                }
                None => assert!((0.1..0.5).contains(&iou), "easy ones are not needed: {iou}"),
            }
        }
        let few = sample_regions(&proposals[70..75], &[object], 12, &mut rng());
        assert_eq!(few.len(), 6); // five easy ones and the object itself
    }
}
