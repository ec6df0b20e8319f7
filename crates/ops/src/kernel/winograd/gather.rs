//! What the products read: windows of a map and tiles of a gradient, transformed.

use pulp::Simd;

use super::{
    PARITIES, TILE, Tiles,
    transform::{filter, transform},
};
use crate::kernel::{
    engine::{Block, Gather, Rows},
    lanes::{load_first, store},
    map::Source,
};

/// Reads 3x3 windows with a stride, one for each origin, and transforms them.
pub(super) struct Windows<'a, const ORIGINS: usize> {
    source: Source<'a>,
    tiles: Tiles,
    /// Pixels from tile to tile, and from tap to tap.
    steps: [isize; 2],
    /// First row and column of each window of tile (0, 0).
    origins: [[isize; 2]; ORIGINS],
}

impl<'a> Windows<'a, 4> {
    /// The windows of a convolution of stride 2 and padding 1: four parities.
    pub(super) fn of_convolution(source: Source<'a>, tiles: Tiles) -> Self {
        let origins = PARITIES.map(|[row, column]| [row as isize - 1, column as isize - 1]);
        Self { source, tiles, steps: [4, 2], origins }
    }
}

impl<'a> Windows<'a, 1> {
    /// The windows behind the outputs of one parity of an up-convolution.
    pub(super) fn of_parity(source: Source<'a>, tiles: Tiles, [row, column]: [usize; 2]) -> Self {
        Self { source, tiles, steps: [2, 1], origins: [[row as isize - 1, column as isize - 1]] }
    }
}

impl<const ORIGINS: usize> Gather for Windows<'_, ORIGINS> {
    fn unit(&self) -> usize {
        ORIGINS
    }

    fn channels(&self) -> usize {
        self.source.shape.channels
    }

    #[inline(always)]
    unsafe fn gather<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        units: (usize, usize),
        block: Block,
    ) {
        let width = S::F32_LANES;
        let channels = self.source.shape.channels;
        for row in 0..rows.count {
            let (picture, tile_row, tile_column) = self.tiles.place(rows.first + row);
            for (origin, [top, left]) in self.origins.iter().enumerate() {
                let top = tile_row as isize * self.steps[0] + top;
                let left = tile_column as isize * self.steps[0] + left;
                let window = self.source.grid(picture, [top, left], self.steps[1]);
                for unit in units.0..units.1 {
                    // SAFETY: each pixel has its channels; the block has room for this row and unit.
                    unsafe {
                        let d = read::<S, 3>(simd, &window, unit, channels);
                        let to = block.at::<ROWS>(width, row, (unit - units.0) * ORIGINS + origin);
                        transform(simd, d, to, block.plane);
                    }
                }
            }
        }
    }
}

/// Reads 2x2 tiles and spreads each over its nine products: `A y A^T`.
pub(super) struct Spread<'a> {
    pub(super) source: Source<'a>,
    pub(super) tiles: Tiles,
}

impl Gather for Spread<'_> {
    fn unit(&self) -> usize {
        1
    }

    fn channels(&self) -> usize {
        self.source.shape.channels
    }

    #[inline(always)]
    unsafe fn gather<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        units: (usize, usize),
        block: Block,
    ) {
        let width = S::F32_LANES;
        for row in 0..rows.count {
            let (picture, tile_row, tile_column) = self.tiles.place(rows.first + row);
            let corner = [(tile_row * TILE) as isize, (tile_column * TILE) as isize];
            let tile = self.source.grid(picture, corner, 1);
            for unit in units.0..units.1 {
                // SAFETY: each pixel has its channels; the block has room for this row and unit.
                unsafe {
                    let values = read::<S, TILE>(simd, &tile, unit, self.source.shape.channels);
                    let planes = filter(simd, values);
                    let to = block.at::<ROWS>(width, row, unit - units.0);
                    for (plane, value) in planes.into_iter().enumerate() {
                        store::<S>(to.add(plane * block.plane), value);
                    }
                }
            }
        }
    }
}

/// One register of each pixel's channels, zeros where the pixel is null: outside the picture.
///
/// # Safety
/// Each pixel must have `channels` values.
#[inline(always)]
unsafe fn read<S: Simd, const SIDE: usize>(
    simd: S,
    pixels: &[[*const f32; SIDE]; SIDE],
    chunk: usize,
    channels: usize,
) -> [[S::f32s; SIDE]; SIDE] {
    let mut values = [[simd.splat_f32s(0.0); SIDE]; SIDE];
    let first = chunk * S::F32_LANES;
    for (values, pixels) in values.iter_mut().zip(pixels) {
        for (value, pixel) in values.iter_mut().zip(pixels) {
            if !pixel.is_null() {
                // SAFETY: the caller's promise.
                *value = unsafe { load_first(simd, pixel.add(first), channels - first) };
            }
        }
    }
    values
}
