//! Random crops of an album, as batches.

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_data::{Purpose, Transform, pixel::images_to_tensor, rng_for};
use image::RgbImage;
use rayon::prelude::*;

use super::Album;
use crate::{
    TransferError,
    fit::{Item, Lessons},
    voc::Presence,
};

/// Pictures with what they show.
#[derive(Clone, Debug)]
pub struct LabelledBatch {
    /// `[batch, 3, size, size]` in `[-1, 1]`.
    pub pictures: Tensor<4>,
    /// `[batch, classes]`: 1 where a class is shown, else 0.
    pub targets: Tensor<2>,
    /// `[batch, classes]`: 0 where a class is difficult, else 1.
    pub counted: Tensor<2>,
}

/// Random crops and flips of an album's pictures.
#[derive(Clone, Copy, Debug)]
pub struct CropLessons<'a> {
    /// The pictures.
    pub album: &'a Album,
    /// How a picture becomes a square.
    pub view: Transform,
}

impl Lessons<LabelledBatch> for CropLessons<'_> {
    fn len(&self) -> usize {
        self.album.len()
    }

    fn batch(&self, seed: u64, items: &[Item], device: &Device) -> Result<LabelledBatch, TransferError> {
        let crop = |item: &Item| {
            let mut rng = rng_for(seed, Purpose::Crop, item.epoch, item.index as u64);
            self.view.cut(&self.album.pictures[item.index], &mut rng)
        };
        let crops: Vec<RgbImage> = items.par_iter().map(crop).collect();
        let rows: Vec<&[Presence]> =
            items.iter().map(|item| self.album.presences[item.index].as_slice()).collect();
        let [targets, counted] = targets(&rows, device);
        Ok(LabelledBatch { pictures: images_to_tensor(&crops, device), targets, counted })
    }
}

/// Presences as numbers: targets, and what counts; `[rows, classes]` both.
pub(crate) fn targets(rows: &[&[Presence]], device: &Device) -> [Tensor<2>; 2] {
    let shape = [rows.len(), rows.first().map_or(0, |row| row.len())];
    let table = |number: fn(Presence) -> bool| {
        let values: Vec<f32> =
            rows.iter().flat_map(|row| row.iter().map(|&presence| f32::from(number(presence)))).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    [table(|presence| presence == Presence::Present), table(|presence| presence != Presence::Difficult)]
}
