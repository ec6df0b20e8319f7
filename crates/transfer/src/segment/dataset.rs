//! Images with class masks, and their padding for a fully convolutional network.

use burn::tensor::{Device, Int, Tensor, TensorData};
use image::{RgbImage, imageops::flip_horizontal};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{
    TransferError,
    images::{max_size, pad_and_stack},
    voc::{ClassMask, IGNORED, Voc},
};

/// Pixels from one position of pool5 to the next, and to the centre of the first: conv1 11x11 stride 4, and
/// three poolings 3x3 stride 2, all without padding (5 + 4 + 8 + 16).
const STRIDE: u32 = 32;
const FIRST: u32 = 33;

/// A padded image whose pool5 has `n` positions has `STRIDE * n + REST` pixels a side, none left over.
const REST: u32 = 35;

/// Positions of pool2 and of pool1 before the one that lies on pool5's first centre: pool2 has centres at 17
/// + 16 i, pool1 at 9 + 8 i.
pub(super) const MARGINS: [usize; 2] = [1, 3];

/// An image and the class of each of its pixels.
#[derive(Clone, Debug)]
pub struct SegmentationSample {
    /// The image.
    pub image: RgbImage,
    /// Of the same size.
    pub mask: ClassMask,
}

impl SegmentationSample {
    /// An image set of VOC, at its original size.
    ///
    /// # Errors
    /// [`TransferError::Missing`], [`TransferError::Io`] and [`TransferError::Malformed`] name the file, the
    /// last also when a mask has another size than its image; [`TransferError::Data`] an image that
    /// cannot be read.
    pub fn from_voc(voc: &Voc, set: &str) -> Result<Vec<Self>, TransferError> {
        let read = |name: &String| {
            let (image, mask) = (voc.image(name)?, voc.class_mask(name)?);
            if image.dimensions() != (mask.width, mask.height) {
                let (width, height) = image.dimensions();
                let reason = format!("it is {}x{}, its image {width}x{height}", mask.width, mask.height);
                return Err(TransferError::malformed(&voc.class_mask_path(name), reason));
            }
            Ok(Self { image, mask })
        };
        voc.names_with_masks(set)?.par_iter().map(read).collect()
    }

    fn flip_horizontal(self) -> Self {
        Self { image: flip_horizontal(&self.image), mask: self.mask.flip_horizontal() }
    }
}

/// Width and height of images of up to `size` after padding, so that every one of their pixels lies between
/// centres of pool5's positions, the first pixel on the first centre. So upsampling pool5's scores gives a
/// score for each pixel, exactly in place, with nothing to extrapolate at edges.
fn padded(size: [u32; 2]) -> [u32; 2] {
    size.map(|side| {
        let positions = side.saturating_sub(1).div_ceil(STRIDE) + 1;
        STRIDE * positions.max(2) + REST
    })
}

/// Padded images, `[batch, 3, padded height, padded width]` in `[-1, 1]`.
pub(super) fn pad(images: &[&RgbImage], device: &Device) -> Tensor<4> {
    pad_and_stack(images, [FIRST; 2], padded(max_size(images)), device)
}

/// Padded images with the classes of their pixels.
pub(super) struct SegmentationBatch {
    /// `[batch, 3, padded height, padded width]` in `[-1, 1]`.
    pub(super) padded: Tensor<4>,
    /// `[batch, 1, height, width]`, without padding; 0 where a pixel does not count.
    pub(super) classes: Tensor<4, Int>,
    /// `[batch, 1, height, width]`: 1 where a pixel counts, 0 at VOC's borders and outside the image.
    pub(super) weights: Tensor<4>,
}

impl SegmentationBatch {
    /// Whole images, flipped with probability 1/2.
    pub(super) fn new(samples: Vec<(&SegmentationSample, ChaCha8Rng)>, device: &Device) -> Self {
        let flip = |(sample, mut rng): (&SegmentationSample, ChaCha8Rng)| {
            let sample = sample.clone();
            if rng.random() { sample.flip_horizontal() } else { sample }
        };
        let samples: Vec<SegmentationSample> = samples.into_iter().map(flip).collect();
        let images: Vec<&RgbImage> = samples.iter().map(|sample| &sample.image).collect();
        let [width, height] = max_size(&images).map(|side| side as usize);
        let mut classes = vec![IGNORED; samples.len() * height * width];
        for (sample, classes) in samples.iter().zip(classes.chunks_exact_mut(height * width)) {
            let rows = sample.mask.classes.chunks_exact(sample.mask.width as usize);
            for (row, target) in rows.zip(classes.chunks_exact_mut(width)) {
                target[..row.len()].copy_from_slice(row);
            }
        }
        let shape = [samples.len(), 1, height, width];
        let weights: Vec<f32> = classes.iter().map(|&class| f32::from(class != IGNORED)).collect();
        let classes: Vec<i64> =
            classes.iter().map(|&class| if class == IGNORED { 0 } else { i64::from(class) }).collect();
        Self {
            padded: pad(&images, device),
            classes: Tensor::from_data(TensorData::new(classes, shape), device),
            weights: Tensor::from_data(TensorData::new(weights, shape), device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_lies_between_centres_of_positions() {
        for side in [1, 2, 31, 32, 33, 34, 97, 375, 500] {
            let [padded, _] = padded([side; 2]);
            let positions = (padded - REST) / STRIDE;
            assert_eq!((padded - REST) % STRIDE, 0);
            let last = FIRST + STRIDE * (positions - 1);
            assert!(FIRST + side - 1 <= last, "{side}: the last pixel is beyond {last}");
            assert!(padded >= FIRST + side);
        }
    }
}
