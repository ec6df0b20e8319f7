//! What has been predicted for a hole: patches, resampled to the picture's scale and put together.

use context_encoder_mask::Rect;
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::F32x3,
};
use rayon::prelude::*;

use crate::{
    crop::{Crop, Weighting},
    hole::Hole,
};

/// Rows that one task resamples.
const ROWS: u32 = 32;

/// Pixels that a prediction is continued by on each side before it is resampled.
const MARGIN: usize = 4;

/// A network's prediction for a crop, or for the central square of half its side.
pub(crate) struct Patch {
    /// Pixels a side.
    pub(crate) side: usize,
    /// Its pixels, row by row, in `[-1, 1]`.
    pub(crate) pixels: Vec<[f32; 3]>,
    /// Whether it is of the central square.
    pub(crate) central: bool,
}

/// Predictions for the frame of one hole, in `[-1, 1]`: the patches of a round are averaged with weights,
/// those of later rounds replace what they cover.
pub(crate) struct PatchAggregator {
    frame: Rect,
    /// The result of the rounds so far.
    pub(crate) pixels: Vec<[f32; 3]>,
    /// Sums of weights times predictions, and of weights, while a round goes on.
    pending: Option<Vec<([f32; 3], f32)>>,
}

impl PatchAggregator {
    pub(crate) fn new(hole: &Hole) -> Self {
        Self { frame: hole.frame, pixels: vec![[0.0; 3]; hole.inside.len()], pending: None }
    }

    /// Takes the prediction for a crop.
    pub(crate) fn add(&mut self, crop: &Crop, patch: &Patch) {
        match crop.weighting {
            Weighting::Single => {
                let width = self.frame.width as usize;
                let frame = self.frame;
                self.pixels.par_chunks_mut(width * ROWS as usize).enumerate().for_each(|(band, pixels)| {
                    let rows = (pixels.len() / width) as u32;
                    let rect = Rect { y: frame.y + band as u32 * ROWS, height: rows, ..frame };
                    for (pixel, value) in pixels.iter_mut().zip(patch.resampled(crop, rect)) {
                        *pixel = value.0;
                    }
                });
            }
            Weighting::Hann => self.add_weighted(crop, patch),
        }
    }

    /// Adds the central half of a crop, with weights that fall to 0 towards its rim.
    fn add_weighted(&mut self, crop: &Crop, patch: &Patch) {
        let Some(rect) = crop.central_half(self.frame) else { return };
        let (width, frame) = (self.frame.width as usize, self.frame);
        let pending = self.pending.get_or_insert_with(|| vec![([0.0; 3], 0.0); self.pixels.len()]);
        let values = patch.resampled(crop, rect);
        for (row, values) in (rect.y..).zip(values.chunks(rect.width as usize)) {
            let start = (row - frame.y) as usize * width + (rect.x - frame.x) as usize;
            let row_weight = hann(i64::from(row) - crop.y, crop.side);
            for ((x, value), (sum, weights)) in (rect.x..).zip(values).zip(&mut pending[start..]) {
                let weight = row_weight * hann(i64::from(x) - crop.x, crop.side);
                *weights += weight;
                for (sum, value) in sum.iter_mut().zip(value.0) {
                    *sum += weight * value;
                }
            }
        }
    }

    /// Ends a round: where its weights add up to one it replaces the rounds before, elsewhere the two are
    /// mixed. `first` says that there was no round before.
    pub(crate) fn end_round(&mut self, first: bool) {
        let Some(pending) = self.pending.take() else { return };
        for (pixel, (sum, weights)) in self.pixels.iter_mut().zip(pending) {
            let before = if first { 0.0 } else { (1.0 - weights).max(0.0) };
            let total = before + weights;
            if total > 0.0 {
                for (value, sum) in pixel.iter_mut().zip(sum) {
                    *value = (before * *value + sum) / total;
                }
            }
        }
    }
}

/// The Hann function over the central half of `side`, at the centre of pixel `place` of the whole: weights of
/// places a quarter of the side apart add up to one.
fn hann(place: i64, side: u32) -> f32 {
    let half = f64::from(side) / 2.0;
    let along = (place as f64 + 0.5 - half / 2.0) / half;
    (std::f64::consts::PI * along).sin().powi(2) as f32
}

impl Patch {
    /// The prediction for a rectangle of the picture, row by row. Beyond the prediction its edge goes on.
    pub(crate) fn resampled(&self, crop: &Crop, rect: Rect) -> Vec<F32x3> {
        let crop_side = f64::from(crop.side);
        let covered = if self.central { crop_side / 2.0 } else { crop_side };
        let start = (crop_side - covered) / 2.0;
        let scale = self.side as f64 / covered; // pixels of the patch for one of the picture
        let padded = self.padded();
        let padded_side = self.side + 2 * MARGIN;
        let mut target = TypedImage::<F32x3>::new(rect.width, rect.height);
        let along = |first: u32, crop_start: i64, length: u32| {
            let from = (i64::from(first) - crop_start) as f64 - start;
            (from * scale + MARGIN as f64, f64::from(length) * scale)
        };
        let (left, width) = along(rect.x, crop.x, rect.width);
        let (top, height) = along(rect.y, crop.y, rect.height);
        let filter = if scale < 1.0 { FilterType::CatmullRom } else { FilterType::Bilinear };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .use_alpha(false)
            .crop(left, top, width, height);
        if let Ok(source) = TypedImageRef::new(padded_side as u32, padded_side as u32, &padded) {
            // Frames reach at most a pixel beyond what is predicted, far less than the margin.
            let done = Resizer::new().resize_typed(&source, &mut target, &options);
            debug_assert!(done.is_ok(), "{done:?}: {crop:?} {rect:?}");
        }
        target.pixels().to_vec()
    }

    /// The patch with its edge repeated on every side.
    fn padded(&self) -> Vec<F32x3> {
        let inner = |place: usize| place.saturating_sub(MARGIN).min(self.side - 1);
        let side = self.side + 2 * MARGIN;
        (0..side * side)
            .map(|at| F32x3::new(self.pixels[inner(at / side) * self.side + inner(at % side)]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_mask::Mask;

    use super::*;

    fn hole(side: u32, rect: Rect) -> Hole {
        let mut mask = Mask::visible(side, side);
        mask.hide(rect);
        Hole::whole(&mask).expect("one")
    }

    fn patch(side: usize, central: bool, value: impl Fn(usize, usize) -> f32) -> Patch {
        let pixels = (0..side * side).map(|at| [value(at % side, at / side); 3]).collect();
        Patch { side, pixels, central }
    }

    #[test]
    fn patch_at_its_own_scale_is_copied_and_its_edge_continued() {
        let mut predicted = PatchAggregator::new(&hole(32, Rect { x: 12, y: 12, width: 8, height: 8 }));
        let crop = Crop { x: 8, y: 8, side: 16, weighting: Weighting::Single };
        predicted.add(&crop, &patch(8, true, |x, y| (10 * y + x) as f32));
        // the frame is 10 pixels wide; row 1 is the first predicted row
        let row: Vec<f32> = predicted.pixels[10..20].iter().map(|pixel| pixel[0]).collect();
        assert_eq!(row, [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.0]);
        assert_eq!(predicted.pixels[0], predicted.pixels[11]);
    }

    #[test]
    fn ramp_keeps_its_place_at_other_scales() {
        for crop_side in [8_u32, 16, 64, 128] {
            let rect = Rect { x: 80 - crop_side / 8, y: 80, width: crop_side / 4, height: 2 };
            let hole = hole(160, rect);
            let mut predicted = PatchAggregator::new(&hole);
            let half = i64::from(crop_side / 2);
            let crop = Crop { x: 80 - half, y: 80 - half, side: crop_side, weighting: Weighting::Single };
            // its value is the place in the crop, in the crop's own pixels
            let scale = crop_side as f32 / 32.0;
            predicted.add(&crop, &patch(32, false, |x, _| (x as f32 + 0.5) * scale));
            for (x, _, at) in hole.pixels() {
                let expected = (i64::from(x) - crop.x) as f32 + 0.5;
                assert!((predicted.pixels[at][0] - expected).abs() < 0.02 * scale.max(1.0), "{crop_side}");
            }
        }
    }

    #[test]
    fn weights_of_neighbouring_crops_add_up_to_one() {
        for place in 0..8 {
            let sum: f32 = [8, 16].map(|start| hann(place + start, 32)).iter().sum();
            assert!((sum - 1.0).abs() < 1e-6);
        }
        let mut predicted = PatchAggregator::new(&hole(64, Rect { x: 24, y: 24, width: 16, height: 16 }));
        for (x, y) in (0..6).flat_map(|y| (0..6).map(move |x| (8 * x - 8, 8 * y - 8))) {
            let crop = Crop { x, y, side: 32, weighting: Weighting::Hann };
            predicted.add(&crop, &patch(16, true, |_, _| 0.5));
        }
        predicted.end_round(true);
        assert!(predicted.pixels.iter().all(|pixel| (pixel[0] - 0.5).abs() < 1e-6));
    }
}
