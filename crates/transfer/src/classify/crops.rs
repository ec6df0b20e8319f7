//! Random crops of an dataset, as batches.

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_data::{Purpose, Transform, pixel::images_to_tensor, rng_for};
use image::RgbImage;
use rayon::prelude::*;

use super::LabeledDataset;
use crate::{
    TransferError,
    fit::{BatchSource, Item},
    voc::Label,
};

/// Pictures with what they show.
#[derive(Clone, Debug)]
pub struct LabeledBatch {
    /// `[batch, 3, size, size]` in `[-1, 1]`.
    pub pictures: Tensor<4>,
    /// `[batch, classes]`: 1 where a class is shown, else 0.
    pub targets: Tensor<2>,
    /// `[batch, classes]`: 0 where a class is difficult, else 1.
    pub counted: Tensor<2>,
}

/// Random crops and flips of an dataset's pictures.
#[derive(Clone, Copy, Debug)]
pub struct CropSource<'a> {
    /// The pictures.
    pub dataset: &'a LabeledDataset,
    /// How a picture becomes a square.
    pub view: Transform,
}

impl BatchSource<LabeledBatch> for CropSource<'_> {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn batch(&self, seed: u64, items: &[Item], device: &Device) -> Result<LabeledBatch, TransferError> {
        let crop = |item: &Item| {
            let mut rng = rng_for(seed, Purpose::Crop, item.epoch, item.index as u64);
            self.view.crop(&self.dataset.pictures[item.index], &mut rng)
        };
        let crops: Vec<RgbImage> = items.par_iter().map(crop).collect();
        let rows: Vec<&[Label]> =
            items.iter().map(|item| self.dataset.labels[item.index].as_slice()).collect();
        let [targets, counted] = targets(&rows, device);
        Ok(LabeledBatch { pictures: images_to_tensor(&crops, device), targets, counted })
    }
}

/// Presences as numbers: targets, and what counts; `[rows, classes]` both.
pub(crate) fn targets(rows: &[&[Label]], device: &Device) -> [Tensor<2>; 2] {
    let shape = [rows.len(), rows.first().map_or(0, |row| row.len())];
    let table = |number: fn(Label) -> bool| {
        let values: Vec<f32> =
            rows.iter().flat_map(|row| row.iter().map(|&label| f32::from(number(label)))).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    [table(|label| label == Label::Present), table(|label| label != Label::Difficult)]
}
