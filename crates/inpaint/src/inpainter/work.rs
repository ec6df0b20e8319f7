//! Pictures on their way through the network, several at a time.

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_mask::{Mask, Rect, central_square};
use context_encoder_model::Predictor;
use rayon::prelude::*;

use super::{
    canvas::{Canvas, Coverage, Patch},
    channel::{Channel, Image},
    plan::ModelInput,
    tile::Tile,
    window::{Reach, Window},
};
use crate::{Blend, blend::Correction, hole::Hole};

/// Windows that go through the network at once.
pub(super) const BATCH: usize = 16;

/// Parts of a mask that lie in a square of the network's side divided by this are one hole.
const TOGETHER: u32 = 4;

/// One picture with its holes.
pub(super) struct Work<'a, S: Channel> {
    picture: &'a Image<S>,
    mask: &'a Mask,
    holes: Vec<Filling>,
    /// The picture is of the network's size and the network can fill it as it is.
    as_it_is: bool,
}

/// One hole with what has been predicted for it.
struct Filling {
    hole: Hole,
    rounds: Vec<Vec<Window>>,
    canvas: Canvas,
}

impl<'a, S: Channel> Work<'a, S> {
    /// Finds the holes and plans their windows. The mask is of the picture's size and leaves something
    /// visible.
    pub(super) fn new(picture: &'a Image<S>, mask: &'a Mask, sight: &ModelInput) -> Self {
        let size = picture.dimensions();
        let as_it_is = fits(mask, sight);
        let holes: Vec<Hole> = if as_it_is {
            Hole::whole(mask).into_iter().collect()
        } else {
            Hole::find(mask, sight.side / TOGETHER)
        };
        let filling = |hole: Hole| {
            let rounds = if as_it_is {
                vec![vec![Window { x: 0, y: 0, side: sight.side, reach: Reach::All }]]
            } else {
                sight.plan(&hole, size)
            };
            Filling { canvas: Canvas::new(&hole), rounds, hole }
        };
        Self { picture, mask, holes: holes.into_par_iter().map(filling).collect(), as_it_is }
    }

    /// What a network sees through a window in some round.
    fn tile(&self, sight: &ModelInput, hole: usize, round: usize, window: &Window) -> Tile {
        let Filling { hole, canvas, .. } = &self.holes[hole];
        let width = self.mask.width() as usize;
        let hidden = self.mask.hidden();
        let read = |x: u32, y: u32| {
            if !hidden[y as usize * width + x as usize] {
                return Some(S::signals(self.picture.get_pixel(x, y)));
            }
            let filled = round > 0 && hole.frame.contains(x, y) && hole.inside[hole.index(x, y)];
            filled.then(|| canvas.pixels[hole.index(x, y)])
        };
        let mut tile = Tile::cut(window, self.picture.dimensions(), sight.side as usize, read);
        // A network for the centre has seen no hole but that, so it sees other holes filled smoothly. One for
        // whole pictures has seen holes anywhere, and nothing invented should pass for the picture.
        if !self.as_it_is && (round > 0 || sight.covers == Coverage::Centre) {
            tile.hide_only(sight.hidden_square());
        }
        tile
    }

    /// The picture with its holes filled.
    pub(super) fn finish(self, blend: Blend) -> Image<S> {
        let mut filled = self.picture.clone();
        for Filling { hole, mut canvas, .. } in self.holes {
            if let Some(correction) = Correction::new(blend, &hole) {
                let (frame, width) = (hole.frame, hole.frame.width as usize);
                let at_place = |at: usize| {
                    let (x, y) = (frame.x + (at % width) as u32, frame.y + (at / width) as u32);
                    S::signals(self.picture.get_pixel(x, y))
                };
                for colour in 0..3 {
                    let values = correction.of(|at| at_place(at)[colour] - canvas.pixels[at][colour]);
                    canvas.pixels.iter_mut().zip(values).for_each(|(pixel, value)| pixel[colour] += value);
                }
            }
            for (x, y, at) in hole.pixels() {
                filled.put_pixel(x, y, S::pixel(canvas.pixels[at]));
            }
        }
        filled
    }
}

/// Whether the mask is of the network's size and hides only what the network predicts.
fn fits(mask: &Mask, sight: &ModelInput) -> bool {
    let side = sight.side;
    if (mask.width(), mask.height()) != (side, side) {
        return false;
    }
    let centre = central_square(side, side);
    let inside = |bounds: Rect| {
        bounds.x >= centre.x
            && bounds.y >= centre.y
            && bounds.right() <= centre.right()
            && bounds.bottom() <= centre.bottom()
    };
    sight.covers == Coverage::Whole || mask.bounds().is_some_and(inside)
}

/// Sends the windows of all pictures through the network, round after round.
pub(super) fn predict<S: Channel>(
    work: &mut [Work<'_, S>],
    sight: &ModelInput,
    predictor: &Predictor,
    device: &Device,
) {
    let fillings = |work: &[Work<'_, S>]| -> Vec<(usize, usize)> {
        let holes = work.iter().enumerate();
        holes.flat_map(|(picture, work)| (0..work.holes.len()).map(move |hole| (picture, hole))).collect()
    };
    let all = fillings(work);
    let rounds = work.iter().flat_map(|work| &work.holes).map(|hole| hole.rounds.len()).max().unwrap_or(0);
    for round in 0..rounds {
        let windows: Vec<(usize, usize, Window)> = all
            .iter()
            .flat_map(|&(picture, hole)| {
                let windows = work[picture].holes[hole].rounds.get(round).into_iter().flatten();
                windows.map(move |&window| (picture, hole, window))
            })
            .collect();
        for batch in windows.chunks(BATCH) {
            let tiles: Vec<Tile> = batch
                .par_iter()
                .map(|(picture, hole, window)| work[*picture].tile(sight, *hole, round, window))
                .collect();
            let patches = forward(&tiles, sight, predictor, device);
            for ((picture, hole, window), patch) in batch.iter().zip(&patches) {
                work[*picture].holes[*hole].canvas.lay(window, patch);
            }
        }
        for &(picture, hole) in &all {
            work[picture].holes[hole].canvas.settle(round == 0);
        }
    }
}

/// One pass through the network.
fn forward(tiles: &[Tile], sight: &ModelInput, predictor: &Predictor, device: &Device) -> Vec<Patch> {
    let (count, side) = (tiles.len(), sight.side as usize);
    let colours: Vec<f32> = tiles.iter().flat_map(|tile| tile.colours.iter().flatten().copied()).collect();
    let hidden: Vec<f32> =
        tiles.iter().flat_map(|tile| tile.hidden.iter().map(|&hidden| f32::from(u8::from(hidden)))).collect();
    let images = Tensor::<4>::from_data(TensorData::new(colours, [count, 3, side, side]), device);
    let masks = Tensor::<4>::from_data(TensorData::new(hidden, [count, 1, side, side]), device);
    let mut prediction = predictor.forward(images.clone(), masks.clone()); // [count, 3, predicted, predicted]
    if sight.mirror {
        let other = predictor.forward(images.flip([3]), masks.flip([3])).flip([3]);
        prediction = (prediction + other) * 0.5;
    }
    let [_, _, predicted, _] = prediction.dims();
    let values = match prediction.try_into_vec_as::<f32>() {
        Ok(values) => values,
        Err(error) => panic!("cannot read a prediction from its device: {error}"),
    };
    let area = predicted * predicted;
    let patch = |planes: &[f32]| {
        let pixels = (0..area).map(|at| [0, 1, 2].map(|colour| planes[colour * area + at])).collect();
        Patch { side: predicted, pixels, covers: sight.covers }
    };
    values.chunks(3 * area).map(patch).collect()
}
