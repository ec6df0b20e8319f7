//! Winograd's minimal filtering for 4x4 kernels of stride 2: 9 products where the plain form has 16.
//!
//! A 4x4 convolution of stride 2 is the sum of four 2x2 convolutions of stride 1, one for each parity
//! of row and column. Two outputs of a 2-tap filter need three products, not four:
//!
//! ```text
//! y0 = d0 g0 + d1 g1    m0 = (d0 - d1) g0    y0 = m0 + m1
//! y1 = d1 g0 + d2 g1    m1 = d1 (g0 + g1)    y1 = m1 + m2
//!                       m2 = (d2 - d1) g1
//! ```
//!
//! In two dimensions 9 for 16, with no factor but 1 in any transform, so rounding stays what it was
//! (Lavin and Gray, "Fast algorithms for convolutional neural networks", F(2x2, 2x2)). Rows of the
//! products are tiles of 2x2 outputs, planes are the nine `m`, the sum runs over channels and
//! parities. The up-convolution of stride 2 is four such 2x2 convolutions, one for each parity of the
//! *result*; the gradient of the weights is the same algorithm transposed.

mod deliver;
mod gather;
mod gradient;
mod pack;
mod transform;

use super::{
    engine,
    finish::Finish,
    map::{Shape, Sink, Source},
    weights::Packed,
};
use crate::ConvKind;
use deliver::Outputs;
use gather::Windows;
pub(crate) use gradient::weight_gradient;
pub(crate) use pack::pack;

/// Products for a tile of 2x2 outputs.
const PLANES: usize = 9;

/// Outputs of a tile along one side.
const TILE: usize = 2;

/// The four parities (row, column).
const PARITIES: [[usize; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

/// Tiles that cover a map of outputs.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    down: usize,
    across: usize,
    pub(crate) all: usize,
}

impl Tiles {
    pub(crate) fn covering(small: Shape) -> Self {
        let (down, across) = (small.height.div_ceil(TILE), small.width.div_ceil(TILE));
        Self { down, across, all: small.batch * down * across }
    }

    /// Picture, row and column of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        (tile / (self.down * self.across), tile / self.across % self.down, tile % self.across)
    }
}

/// From one map to the other, through weights that were packed for this way.
pub(crate) fn run(way: ConvKind, from: Source<'_>, weights: &[Packed], to: Sink, finish: &Finish) {
    match way {
        ConvKind::Conv2d => down(from, &weights[0], to, finish),
        ConvKind::ConvTranspose2d => up(from, weights, to, finish),
    }
}

/// Conv2d of stride 2: the large map becomes the small one.
fn down(large: Source<'_>, weights: &Packed, small: Sink, finish: &Finish) {
    let tiles = Tiles::covering(small.shape);
    let outputs = Outputs { sink: small, tiles, step: 1, origin: [0, 0], finish };
    engine::run(tiles.all, &Windows::of_convolution(large, tiles), weights, &outputs);
}

/// Up-convolution of stride 2, the transposed of [`down`]: the small map becomes the large one.
fn up(small: Source<'_>, weights: &[Packed], large: Sink, finish: &Finish) {
    let tiles = Tiles::covering(small.shape);
    for (weights, origin) in weights.iter().zip(PARITIES) {
        let outputs = Outputs { sink: large, tiles, step: 2, origin, finish };
        engine::run(tiles.all, &Windows::of_parity(small, tiles, origin), weights, &outputs);
    }
}
