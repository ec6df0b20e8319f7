//! Pictures with class masks, as batches.

use burn::tensor::{Device, Int, Tensor, TensorData};
use context_encoder_data::{Purpose, rng_for};
use image::{RgbImage, imageops::flip_horizontal};
use rand::RngExt;
use rayon::prelude::*;

use super::PaddedFrame;
use crate::{
    TransferError,
    fit::{BatchSource, Item},
    metric::IGNORED,
    voc::{ClassMask, Task, Voc},
};

/// A picture and the class of each of its pixels.
#[derive(Clone, Debug)]
pub struct SegmentationSample {
    /// The picture.
    pub picture: RgbImage,
    /// Of the same size.
    pub mask: ClassMask,
}

impl SegmentationSample {
    /// An image set of VOC, at its own size.
    ///
    /// # Errors
    /// Those of [`Voc`], and [`TransferError::Malformed`] when a mask has another size than its picture.
    pub fn from_voc(voc: &Voc, set: &str) -> Result<Vec<Self>, TransferError> {
        let read = |name: &String| {
            let (picture, mask) = (voc.picture(name)?, voc.class_mask(name)?);
            if picture.dimensions() != (mask.width, mask.height) {
                let path = voc.root().join("SegmentationClass").join(format!("{name}.png"));
                let (width, height) = picture.dimensions();
                return Err(TransferError::malformed(
                    &path,
                    format!("it is {}x{}, its picture {width}x{height}", mask.width, mask.height),
                ));
            }
            Ok(Self { picture, mask })
        };
        voc.names(set, Task::Segmentation)?.par_iter().map(read).collect()
    }

    fn mirrored(self) -> Self {
        Self { picture: flip_horizontal(&self.picture), mask: self.mask.mirrored() }
    }
}

/// Pictures on canvases with what their pixels are.
#[derive(Clone, Debug)]
pub struct SegmentationBatch {
    /// `[batch, 3, canvas height, canvas width]` in `[-1, 1]`.
    pub canvases: Tensor<4>,
    /// Where pictures stand.
    pub frame: PaddedFrame,
    /// `[batch, 1, height, width]`; 0 where a pixel does not count.
    pub labels: Tensor<4, Int>,
    /// `[batch, 1, height, width]`: 1 where a pixel counts, 0 at borders and outside the picture.
    pub counted: Tensor<4>,
}

/// Whole pictures, mirrored or not.
#[derive(Clone, Copy, Debug)]
pub struct SegmentationSource<'a> {
    /// The pictures.
    pub pictures: &'a [SegmentationSample],
}

impl BatchSource<SegmentationBatch> for SegmentationSource<'_> {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn batch(&self, seed: u64, items: &[Item], device: &Device) -> Result<SegmentationBatch, TransferError> {
        let turn = |item: &Item| {
            let known = self.pictures[item.index].clone();
            let flip: bool = rng_for(seed, Purpose::Crop, item.epoch, item.index as u64).random();
            if flip { known.mirrored() } else { known }
        };
        let known: Vec<SegmentationSample> = items.iter().map(turn).collect();
        let pictures: Vec<&RgbImage> = known.iter().map(|known| &known.picture).collect();
        let frame = PaddedFrame::around(&pictures);
        let (width, height) = (frame.width as usize, frame.height as usize);
        let mut labels = vec![IGNORED; known.len() * height * width];
        for (SegmentationSample { mask, .. }, page) in
            known.iter().zip(labels.chunks_exact_mut(height * width))
        {
            let rows = mask.labels.chunks_exact(mask.width as usize);
            for (row, target) in rows.zip(page.chunks_exact_mut(width)) {
                target[..row.len()].copy_from_slice(row);
            }
        }
        let shape = [known.len(), 1, height, width];
        let counted: Vec<f32> = labels.iter().map(|&label| f32::from(label != IGNORED)).collect();
        let labels: Vec<i64> =
            labels.iter().map(|&label| if label == IGNORED { 0 } else { i64::from(label) }).collect();
        Ok(SegmentationBatch {
            canvases: frame.pad(&pictures, device),
            frame,
            labels: Tensor::from_data(TensorData::new(labels, shape), device),
            counted: Tensor::from_data(TensorData::new(counted, shape), device),
        })
    }
}
