//! Thin parts of a mask: scratches, wires, letters, noise. All of a picture are filled together.

use std::collections::BTreeMap;

use context_encoder_mask::{Mask, Rect};
use context_encoder_refine::{Window, shift_map_of_scratch};
use rayon::prelude::*;

use crate::{
    channel::{Channel, Image},
    components::Run,
    copies::{Offset, SCREENING, above_neighbours, beside, find_copies, grown},
    crop::{Crop, InputSpec},
    hole::Thin,
    patch::Patch,
    pixel_set::PixelSet,
    progress::Progress,
    sparse_poisson::SparsePoisson,
};

/// Pixels a side of the tiles whose pixels are searched for copies together.
const TILE: u32 = 256;

/// Copies come from at most so far beside a tile, pixels.
const MARGIN: u32 = 96;

/// A tile's search goes on for so many pixels into what of its neighbours is to be filled, so that copies go
/// on across its edge.
const OVERLAP: u32 = 8;

/// The thin part of a mask on its way through the network, which says how much a pixel is above its
/// neighbours; what is visible says the rest.
pub(crate) struct ThinPrediction {
    pixels: PixelSet,
    /// Width and height of the picture.
    size: (u32, u32),
    /// What the network is to see.
    pub(crate) crops: Vec<Crop>,
    /// For each pixel, how much it is above its neighbours in the picture, all together; 0 where the network
    /// was not asked.
    sources: Vec<[f32; 3]>,
}

impl ThinPrediction {
    pub(crate) fn new(thin: Thin, spec: &InputSpec, size: (u32, u32)) -> Self {
        let sources = vec![[0.0; 3]; thin.pixels.len()];
        Self { crops: spec.tiles(&thin.wide), pixels: thin.pixels, size, sources }
    }

    pub(crate) fn pixels(&self) -> &PixelSet {
        &self.pixels
    }

    /// Takes the prediction for a crop: its central half, and a pixel more on each side as their neighbours.
    pub(crate) fn add(&mut self, crop: &Crop, patch: &Patch) {
        let Some(tile) = crop.central_half(Rect { x: 0, y: 0, width: self.size.0, height: self.size.1 })
        else {
            return;
        };
        let rect = grown(tile, 1, self.size);
        let predicted = patch.resampled(crop, rect);
        let value = |(x, y): (u32, u32)| {
            predicted[(y - rect.y) as usize * rect.width as usize + (x - rect.x) as usize].0
        };
        for (run, first) in self.pixels.runs_in(tile) {
            for (x, source) in (run.start..run.end).zip(&mut self.sources[first..]) {
                let own = value((x, run.y));
                for near in beside(x, run.y, self.size).into_iter().flatten().map(value) {
                    source
                        .iter_mut()
                        .zip(own.iter().zip(near))
                        .for_each(|(sum, (own, near))| *sum += own - near);
                }
            }
        }
    }

    /// Fills a picture as predicted, and returns the pixels.
    pub(crate) fn fill<S: Channel>(self, picture: &mut Image<S>) -> PixelSet {
        fill(picture, &self.pixels, |at, color| self.sources[at][color]);
        self.pixels
    }
}

/// Fills the pixels of a set with the function that meets all others and is, at each pixel, above its
/// neighbours by `source(number, color)` all together, in `[-1, 1]`: by 0 everywhere it is the smoothest.
pub(crate) fn fill<S: Channel>(
    picture: &mut Image<S>,
    thin: &PixelSet,
    source: impl Fn(usize, usize) -> f32,
) {
    let poisson = SparsePoisson::new(thin, picture.dimensions());
    let solved = solve(&poisson, picture, 0.0, source);
    for ((x, y), pixel) in pixels::<S>(thin, &solved) {
        picture.put_pixel(x, y, pixel);
    }
}

/// Sharpens the fill of the set's pixels by patches: column, row and value. Nothing where the picture has no
/// patch to copy.
pub(crate) fn complete<S: Channel>(
    picture: &Image<S>,
    mask: &Mask,
    thin: &PixelSet,
    progress: &Progress<'_>,
) -> Vec<(u32, u32, S::Pixel)> {
    let offsets = offsets(picture, mask, thin, progress);
    if offsets.iter().all(|&offset| offset == [0, 0]) {
        return Vec::new();
    }
    let poisson = SparsePoisson::new(thin, picture.dimensions());
    let places: Vec<(u32, u32)> = thin.positions().collect();
    let above_neighbours = |(at, &place): (usize, &(u32, u32))| {
        let near = poisson.unknown_neighbours(at).map(|near| near.map(|near| offsets[near]));
        above_neighbours(picture, place, offsets[at], near)
    };
    let sources: Vec<[f32; 3]> = places.par_iter().enumerate().map(above_neighbours).collect();
    let source = |at: usize, color: usize| {
        let (x, y) = places[at];
        sources[at][color] + SCREENING * S::normalized(picture.get_pixel(x, y))[color]
    };
    let solved = solve(&poisson, picture, SCREENING, source);
    pixels::<S>(thin, &solved).map(|((x, y), pixel)| (x, y, pixel)).collect()
}

/// Each color of the solution, for known pixels as they are in the picture, in `[-1, 1]`.
fn solve<S: Channel>(
    poisson: &SparsePoisson<'_>,
    picture: &Image<S>,
    screening: f32,
    source: impl Fn(usize, usize) -> f32,
) -> [Vec<f32>; 3] {
    [0, 1, 2].map(|color| {
        let known = |x: u32, y: u32| S::normalized(picture.get_pixel(x, y))[color];
        poisson.solve(screening, known, |at| source(at, color))
    })
}

/// Places and values of what was solved.
fn pixels<'a, S: Channel>(
    thin: &'a PixelSet,
    solved: &'a [Vec<f32>; 3],
) -> impl Iterator<Item = ((u32, u32), S::Pixel)> + 'a {
    thin.positions()
        .enumerate()
        .map(|(at, place)| (place, S::to_pixel(solved.each_ref().map(|color| color[at]))))
}

/// For each pixel of the set where its copy comes from; itself where there is none.
fn offsets<S: Channel>(
    picture: &Image<S>,
    mask: &Mask,
    thin: &PixelSet,
    progress: &Progress<'_>,
) -> Vec<Offset> {
    let search = |tile: &Tile| {
        let found = tile.offsets(picture, mask, thin);
        progress.add(tile.work());
        found
    };
    let found: Vec<Vec<(usize, Offset)>> = tiles(thin).par_iter().map(search).collect();
    let mut offsets = vec![[0, 0]; thin.len()];
    for (at, offset) in found.into_iter().flatten() {
        offsets[at] = offset;
    }
    offsets
}

/// About how many patches are searched for to complete a set.
pub(crate) fn work(thin: &PixelSet) -> u64 {
    tiles(thin).iter().map(Tile::work).sum()
}

/// What of a set lies in one tile of the picture.
struct Tile {
    bounds: Rect,
    /// With the number of each run's first pixel.
    runs: Vec<(Run, usize)>,
}

/// The tiles that hold pixels of a set.
fn tiles(thin: &PixelSet) -> Vec<Tile> {
    let mut tiles: BTreeMap<(u32, u32), Vec<(Run, usize)>> = BTreeMap::new();
    for (run, first) in thin.runs() {
        for column in run.start / TILE..=(run.end - 1) / TILE {
            let (start, end) = (run.start.max(column * TILE), run.end.min((column + 1) * TILE));
            let part = (Run { start, end, ..run }, first + (start - run.start) as usize);
            tiles.entry((run.y / TILE, column)).or_default().push(part);
        }
    }
    tiles.into_values().map(Tile::new).collect()
}

impl Tile {
    fn new(runs: Vec<(Run, usize)>) -> Self {
        let rows = || runs.iter().map(|(run, _)| run);
        let x = rows().map(|run| run.start).min().unwrap_or(0);
        let right = rows().map(|run| run.end).max().unwrap_or(0);
        let y = rows().map(|run| run.y).min().unwrap_or(0);
        let bottom = rows().map(|run| run.y + 1).max().unwrap_or(0);
        Self { bounds: Rect { x, y, width: right - x, height: bottom - y }, runs }
    }

    fn work(&self) -> u64 {
        let pixels: u64 = self.runs.iter().map(|(run, _)| u64::from(run.end - run.start)).sum();
        // Some nine patches for each pixel of a line, in eight rounds; fewer rounds where there are many.
        (72 * pixels).min(200_000)
    }

    /// The number of each pixel for which a copy was found, and where it comes from.
    fn offsets<S: Channel>(&self, picture: &Image<S>, mask: &Mask, thin: &PixelSet) -> Vec<(usize, Offset)> {
        let window = grown(self.bounds, MARGIN, picture.dimensions());
        let mut inside = vec![false; window.area()];
        let index =
            |x: u32, y: u32| (y - window.y) as usize * window.width as usize + (x - window.x) as usize;
        for (run, _) in thin.runs_in(grown(self.bounds, OVERLAP, picture.dimensions())) {
            let start = index(run.start, run.y);
            inside[start..start + (run.end - run.start) as usize].fill(true);
        }
        let search = |window: Window<'_>| shift_map_of_scratch(window, |_| ());
        let copies: Vec<_> = find_copies(picture, mask, window, &inside, search).collect();
        let copy = |x: u32, y: u32| {
            let found = copies.binary_search_by_key(&(y, x), |&((x, y), _)| (y, x)).ok()?;
            Some(copies[found].1)
        };
        self.runs
            .iter()
            .flat_map(|&(run, first)| (first..).zip(run.start..run.end).map(move |(at, x)| (at, x, run.y)))
            .filter_map(|(at, x, y)| Some((at, copy(x, y)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_model::Prediction;
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::hole::Parts;

    /// Stripes of eight pixels under a scratch that crosses several tiles.
    fn scratched() -> (RgbImage, Mask) {
        let picture =
            RgbImage::from_fn(
                600,
                60,
                |x, _| {
                    if x % 8 < 4 { Rgb([200, 60, 40]) } else { Rgb([90, 160, 220]) }
                },
            );
        (picture, Mask::from_fn(600, 60, |x, y| (20 + x / 40..26 + x / 40).contains(&y)))
    }

    fn filled(picture: &RgbImage, mask: &Mask) -> RgbImage {
        let thin = Parts::find(mask, 32).thin.pixels;
        let mut filled = picture.clone();
        fill(&mut filled, &thin, |_, _| 0.0);
        for (x, y, pixel) in complete(&filled, mask, &thin, &Progress::silent()) {
            filled.put_pixel(x, y, pixel);
        }
        filled
    }

    #[test]
    fn stripes_go_on_across_a_scratch_and_the_edges_of_tiles() {
        let (picture, mask) = scratched();
        let mut holed = picture.clone();
        for (x, y) in Parts::find(&mask, 32).thin.pixels.positions() {
            holed.put_pixel(x, y, Rgb([0; 3]));
        }
        let filled = filled(&holed, &mask);
        // a smooth fill is off by up to 60 of the contrast of 140
        let worst = filled.iter().zip(picture.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(30), "{worst:?} of 255");
    }

    #[test]
    fn number_of_threads_does_not_matter() {
        let (picture, mask) = scratched();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| filled(&picture, &mask))
        };
        assert_eq!(with(1), with(5));
    }

    #[test]
    fn tiles_hold_every_pixel_once_and_share_windows() {
        // lines 20 pixels apart: each is a component of its own
        let mask = Mask::from_fn(900, 500, |x, y| y % 20 < 2 || x % 300 == 7);
        let thin = Parts::find(&mask, 32).thin.pixels;
        let tiles = tiles(&thin);
        assert_eq!(tiles.len(), 4 * 2);
        let mut seen = vec![0; thin.len()];
        for tile in &tiles {
            for &(run, first) in &tile.runs {
                seen[first..first + (run.end - run.start) as usize].iter_mut().for_each(|seen| *seen += 1);
            }
        }
        assert!(seen.iter().all(|&seen| seen == 1));
        // A long diagonal is searched for in a band along it, not in the rectangle around it.
        let diagonal = Mask::from_fn(4000, 3000, |x, y| (4 * y).abs_diff(3 * x) < 16);
        let thin = Parts::find(&diagonal, 32).thin.pixels;
        let pixels = |tile: &Tile| grown(tile.bounds, MARGIN, (4000, 3000)).area();
        let searched: usize = super::tiles(&thin).iter().map(pixels).sum();
        assert!(searched < 4000 * 3000 / 2, "{searched}");
    }

    #[test]
    fn differences_of_a_prediction_meet_the_picture() {
        // a ramp, predicted with its slope but 0.3 too bright
        let mask = Mask::from_fn(200, 100, |_, y| (40..48).contains(&y));
        let ramp = |x: u32| (x as f32 - 100.0) / 128.0;
        let picture = RgbImage::from_fn(200, 100, |x, _| <u8 as Channel>::to_pixel([ramp(x); 3]));
        let spec = InputSpec { side: 128, prediction: Prediction::Centre, overlap: 0, mirror: false };
        let mut prediction = ThinPrediction::new(Parts::find(&mask, 32).thin, &spec, (200, 100));
        for crop in prediction.crops.clone() {
            let place = |at: usize| (at % 64) as f32 / 2.0 + 0.25 + (crop.x + 16) as f32 - 0.5;
            let pixels = (0..64 * 64).map(|at| [(place(at) - 100.0) / 128.0 + 0.3; 3]).collect();
            prediction.add(&crop, &Patch { side: 64, pixels, central: true });
        }
        let mut filled = picture.clone();
        prediction.fill(&mut filled);
        let worst = filled.iter().zip(picture.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(1), "{worst:?} of 255");
    }

    #[test]
    fn a_smooth_fill_stays_where_there_is_nothing_to_copy() {
        // no patch of 9x9 pixels is visible
        let mask = Mask::from_fn(60, 60, |x, y| x % 6 == 0 || y % 6 == 0);
        let picture = RgbImage::from_fn(60, 60, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, 9]));
        let thin = Parts::find(&mask, 32).thin.pixels;
        assert!(complete(&picture, &mask, &thin, &Progress::silent()).is_empty());
        assert!(complete(&picture, &mask, &PixelSet::default(), &Progress::silent()).is_empty());
    }
}
