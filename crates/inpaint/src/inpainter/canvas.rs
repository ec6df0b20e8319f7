//! What has been predicted for a hole, at the picture's own scale.

use context_encoder_mask::Rect;
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::F32x3,
};
use rayon::prelude::*;

use super::window::{Reach, Window};
use crate::hole::Hole;

/// Rows that one task brings to scale.
const ROWS: u32 = 32;

/// Pixels that a prediction is continued by on each side before it is resampled.
const MARGIN: usize = 4;

/// A network's prediction for part of a window.
pub(super) struct Patch {
    /// Pixels a side.
    pub(super) side: usize,
    /// Its pixels, row by row, in `[-1, 1]`.
    pub(super) pixels: Vec<[f32; 3]>,
    /// What it covers of its window.
    pub(super) covers: Coverage,
}

/// How much of its window a prediction covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    /// The central square of half the side.
    Centre,
    /// All of it.
    Whole,
}

/// Predictions for the frame of one hole, in `[-1, 1]`.
pub(super) struct Canvas {
    frame: Rect,
    /// What holds so far.
    pub(super) pixels: Vec<[f32; 3]>,
    /// Sums of shares times predictions, and of shares, while several windows are laid over each other.
    pending: Option<Vec<([f32; 3], f32)>>,
}

impl Canvas {
    pub(super) fn new(hole: &Hole) -> Self {
        Self { frame: hole.frame, pixels: vec![[0.0; 3]; hole.inside.len()], pending: None }
    }

    /// Lays a prediction on the canvas.
    pub(super) fn lay(&mut self, window: &Window, patch: &Patch) {
        match window.reach {
            Reach::All => {
                let width = self.frame.width as usize;
                let frame = self.frame;
                self.pixels.par_chunks_mut(width * ROWS as usize).enumerate().for_each(|(band, pixels)| {
                    let rows = (pixels.len() / width) as u32;
                    let part = Rect { y: frame.y + band as u32 * ROWS, height: rows, ..frame };
                    for (pixel, value) in pixels.iter_mut().zip(patch.at_scale(window, part)) {
                        *pixel = value.0;
                    }
                });
            }
            Reach::Fading => self.add(window, patch),
        }
    }

    /// Adds the central half of a window, by shares that fall to 0 towards its rim.
    fn add(&mut self, window: &Window, patch: &Patch) {
        let Some(part) = self.covered(window) else { return };
        let (width, frame) = (self.frame.width as usize, self.frame);
        let pending = self.pending.get_or_insert_with(|| vec![([0.0; 3], 0.0); self.pixels.len()]);
        let values = patch.at_scale(window, part);
        for (row, values) in (part.y..).zip(values.chunks(part.width as usize)) {
            let start = (row - frame.y) as usize * width + (part.x - frame.x) as usize;
            let down = share(i64::from(row) - window.y, window.side);
            for ((x, value), (sum, shares)) in (part.x..).zip(values).zip(&mut pending[start..]) {
                let share = down * share(i64::from(x) - window.x, window.side);
                *shares += share;
                for (sum, value) in sum.iter_mut().zip(value.0) {
                    *sum += share * value;
                }
            }
        }
    }

    /// The part of the frame inside a window's central half.
    fn covered(&self, window: &Window) -> Option<Rect> {
        let quarter = i64::from(window.side / 4);
        let span = |start: i64, first: u32, end: u32| {
            let from = (start + quarter).max(i64::from(first));
            let to = (start + 3 * quarter).min(i64::from(end));
            (from < to).then_some((from as u32, (to - from) as u32))
        };
        let (x, width) = span(window.x, self.frame.x, self.frame.right())?;
        let (y, height) = span(window.y, self.frame.y, self.frame.bottom())?;
        Some(Rect { x, y, width, height })
    }

    /// Lets what was added hold: where shares add up to one it replaces what held before, elsewhere the two
    /// mix. `first` says that nothing held before.
    pub(super) fn settle(&mut self, first: bool) {
        let Some(pending) = self.pending.take() else { return };
        for (pixel, (sum, shares)) in self.pixels.iter_mut().zip(pending) {
            let before = if first { 0.0 } else { (1.0 - shares).max(0.0) };
            let total = before + shares;
            if total > 0.0 {
                for (value, sum) in pixel.iter_mut().zip(sum) {
                    *value = (before * *value + sum) / total;
                }
            }
        }
    }
}

/// Hann's window over the central half of `side`, at the middle of pixel `place` of the whole: shares a
/// quarter of the side apart add up to one.
fn share(place: i64, side: u32) -> f32 {
    let half = f64::from(side) / 2.0;
    let along = (place as f64 + 0.5 - half / 2.0) / half;
    (std::f64::consts::PI * along).sin().powi(2) as f32
}

impl Patch {
    /// The prediction for a rectangle of the picture, row by row. Beyond the prediction its edge goes on.
    fn at_scale(&self, window: &Window, part: Rect) -> Vec<F32x3> {
        let covered = match self.covers {
            Coverage::Whole => f64::from(window.side),
            Coverage::Centre => f64::from(window.side) / 2.0,
        };
        let start = (f64::from(window.side) - covered) / 2.0;
        let scale = self.side as f64 / covered; // pixels of the patch for one of the picture
        let padded = self.padded();
        let padded_side = self.side + 2 * MARGIN;
        let mut target = TypedImage::<F32x3>::new(part.width, part.height);
        let along = |first: u32, window_start: i64, length: u32| {
            let from = (i64::from(first) - window_start) as f64 - start;
            (from * scale + MARGIN as f64, f64::from(length) * scale)
        };
        let (left, width) = along(part.x, window.x, part.width);
        let (top, height) = along(part.y, window.y, part.height);
        let filter = if scale < 1.0 { FilterType::CatmullRom } else { FilterType::Bilinear };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .use_alpha(false)
            .crop(left, top, width, height);
        if let Ok(source) = TypedImageRef::new(padded_side as u32, padded_side as u32, &padded) {
            // Frames reach at most a pixel beyond what is predicted, far less than the margin.
            let done = Resizer::new().resize_typed(&source, &mut target, &options);
            debug_assert!(done.is_ok(), "{done:?}: {window:?} {part:?}");
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

    fn patch(side: usize, covers: Coverage, value: impl Fn(usize, usize) -> f32) -> Patch {
        let pixels = (0..side * side).map(|at| [value(at % side, at / side); 3]).collect();
        Patch { side, pixels, covers }
    }

    #[test]
    fn at_its_own_scale_a_prediction_is_copied_and_its_edge_goes_on() {
        let mut canvas = Canvas::new(&hole(32, Rect { x: 12, y: 12, width: 8, height: 8 }));
        let window = Window { x: 8, y: 8, side: 16, reach: Reach::All };
        canvas.lay(&window, &patch(8, Coverage::Centre, |x, y| (10 * y + x) as f32));
        // the frame is 10 pixels wide; row 1 is the first predicted row
        let row: Vec<f32> = canvas.pixels[10..20].iter().map(|pixel| pixel[0]).collect();
        assert_eq!(row, [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.0]);
        assert_eq!(canvas.pixels[0], canvas.pixels[11]);
    }

    #[test]
    fn a_slope_keeps_its_place_at_other_scales() {
        for window_side in [8_u32, 16, 64, 128] {
            let rect = Rect { x: 80 - window_side / 8, y: 80, width: window_side / 4, height: 2 };
            let hole = hole(160, rect);
            let mut canvas = Canvas::new(&hole);
            let half = i64::from(window_side / 2);
            let window = Window { x: 80 - half, y: 80 - half, side: window_side, reach: Reach::All };
            // its value is the place in the window, in the window's own pixels
            let scale = window_side as f32 / 32.0;
            canvas.lay(&window, &patch(32, Coverage::Whole, |x, _| (x as f32 + 0.5) * scale));
            for (x, _, at) in hole.pixels() {
                let expected = (i64::from(x) - window.x) as f32 + 0.5;
                assert!((canvas.pixels[at][0] - expected).abs() < 0.02 * scale.max(1.0), "{window_side}");
            }
        }
    }

    #[test]
    fn shares_of_neighbouring_windows_add_up_to_one() {
        for place in 0..8 {
            let sum: f32 = [8, 16].map(|start| share(place + start, 32)).iter().sum();
            assert!((sum - 1.0).abs() < 1e-6);
        }
        let mut canvas = Canvas::new(&hole(64, Rect { x: 24, y: 24, width: 16, height: 16 }));
        for (x, y) in (0..6).flat_map(|y| (0..6).map(move |x| (8 * x - 8, 8 * y - 8))) {
            let window = Window { x, y, side: 32, reach: Reach::Fading };
            canvas.lay(&window, &patch(16, Coverage::Centre, |_, _| 0.5));
        }
        canvas.settle(true);
        assert!(canvas.pixels.iter().all(|pixel| (pixel[0] - 0.5).abs() < 1e-6));
    }
}
