//! Pictures with objects and proposals, as batches.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_data::{Purpose, rng_for};
use image::{RgbImage, imageops::flip_horizontal};
use rand::RngExt;
use rayon::prelude::*;

use super::{Sampling, proposals};
use crate::{
    Rect, TransferError,
    fit::{BatchSource, Item},
    padding::{max_size, pad_to},
    resize,
    voc::{Object, Task, Voc},
};

/// A picture at the size in which it is seen, with what is in it and what might be.
#[derive(Clone, Debug)]
pub struct DetectionSample {
    /// The picture.
    pub picture: RgbImage,
    /// Its objects, in the picture's pixels.
    pub objects: Vec<Object>,
    /// Where objects might be, in the picture's pixels.
    pub proposals: Vec<Rect>,
}

impl DetectionSample {
    /// An image set of VOC, resized to a shorter side (600 pixels in Fast R-CNN). Proposals are those of a
    /// file, in the pixels of the pictures as they were taken, or up to `count` found [by
    /// edges](proposals::by_edges).
    ///
    /// # Errors
    /// Those of [`Voc`], and [`TransferError::Settings`] when the file has no line for a picture.
    pub fn from_voc(
        voc: &Voc,
        set: &str,
        shorter_side: u32,
        given: Option<&BTreeMap<String, Vec<Rect>>>,
        count: usize,
    ) -> Result<Vec<Self>, TransferError> {
        let read = |name: &String| {
            let taken = voc.picture(name)?;
            let (picture, factor) = resize::to_shorter_side(&taken, shorter_side);
            let proposals = match given {
                None => proposals::by_edges(&taken, count),
                Some(given) => given.get(name).cloned().ok_or_else(|| {
                    TransferError::Settings(format!("the file of proposals has no line for picture {name}"))
                })?,
            };
            let (width, height) = (picture.width() as f32, picture.height() as f32);
            let fit = |rect: Rect| rect.scaled(factor).clipped(width, height);
            let objects = voc.annotation(name)?.objects;
            Ok(Self {
                objects: objects
                    .into_iter()
                    .map(|object| Object { rect: fit(object.rect), ..object })
                    .collect(),
                proposals: proposals.into_iter().map(fit).collect(),
                picture,
            })
        };
        voc.names(set, Task::Main)?.par_iter().map(read).collect()
    }

    fn mirrored(self) -> Self {
        let width = self.picture.width() as f32;
        let turn = |rect: Rect| rect.mirrored(width);
        Self {
            picture: flip_horizontal(&self.picture),
            objects: self
                .objects
                .into_iter()
                .map(|object| Object { rect: turn(object.rect), ..object })
                .collect(),
            proposals: self.proposals.into_iter().map(turn).collect(),
        }
    }
}

/// Pictures with sampled regions.
#[derive(Clone, Debug)]
pub struct DetectionBatch {
    /// `[batch, 3, height, width]` in `[-1, 1]`.
    pub pictures: Tensor<4>,
    /// Picture and place of each region.
    pub regions: Vec<(usize, Rect)>,
    /// `[regions, classes + 1]`: 1 at the region's class, background first.
    pub classes: Tensor<2>,
    /// `[regions, 4 (classes + 1)]`: deltas at the region's class.
    pub deltas: Tensor<2>,
    /// `[regions, 4 (classes + 1)]`: 1 where an offset counts.
    pub weights: Tensor<2>,
}

/// Whole pictures, mirrored or not, with regions sampled from their proposals.
#[derive(Clone, Copy, Debug)]
pub struct DetectionSource<'a> {
    /// The pictures.
    pub samples: &'a [DetectionSample],
    /// Classes, without background.
    pub classes: usize,
    /// How regions are sampled.
    pub sampling: Sampling,
}

impl BatchSource<DetectionBatch> for DetectionSource<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn batch(&self, seed: u64, items: &[Item], device: &Device) -> Result<DetectionBatch, TransferError> {
        let columns = self.classes + 1;
        let (mut regions, mut pictures) = (Vec::new(), Vec::new());
        let (mut classes, mut deltas, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (number, item) in items.iter().enumerate() {
            let mut rng = rng_for(seed, Purpose::Crop, item.epoch, item.index as u64);
            let sample = self.samples[item.index].clone();
            let sample = if rng.random() { sample.mirrored() } else { sample };
            for region in self.sampling.draw(&sample.proposals, &sample.objects, &mut rng) {
                let class = region.object.map_or(0, |(class, _)| class + 1);
                regions.push((number, region.rect));
                for column in 0..columns {
                    let counts = column == class && class > 0;
                    classes.push(f32::from(column == class));
                    weights.extend([f32::from(counts); 4]);
                    let own = region.object.filter(|_| counts).map_or([0.0; 4], |(_, deltas)| deltas.0);
                    deltas.extend(own);
                }
            }
            pictures.push(sample.picture);
        }
        let pictures: Vec<&RgbImage> = pictures.iter().collect();
        let table = |values: Vec<f32>| {
            let shape = [regions.len(), values.len() / regions.len().max(1)];
            Tensor::<2>::from_data(TensorData::new(values, shape), device)
        };
        Ok(DetectionBatch {
            pictures: pad_to(&pictures, [0; 2], max_size(&pictures), device),
            classes: table(classes),
            deltas: table(deltas),
            weights: table(weights),
            regions,
        })
    }
}
