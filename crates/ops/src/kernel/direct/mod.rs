//! Convolutions as one product of patches and weights: any square kernel, stride, padding and groups.
//!
//! `down` gathers patches block by block (an im2col that never leaves the cache), `up` multiplies
//! first and adds overlapping patches afterwards, [`weight_gradient`] sums outer products of patches
//! and gradients. For maps of few channels, where Winograd's transforms would cost more than they
//! save, for single pictures, and for kernels that are not 4x4 of stride 2.

mod gradient;
mod overlap;
pub(crate) mod pack;
mod patches;
mod points;

use rayon::prelude::*;

use super::{
    engine,
    finish::Finish,
    lanes::dispatch,
    map::{Shape, Sink, Source},
    scratch::Buffer,
    weights::Packed,
};
use crate::{ConvGeometry, ConvKind};
pub(crate) use gradient::weight_gradient;
use overlap::Overlap;
pub(crate) use pack::{Weights, pack};
use patches::Patches;
pub(crate) use points::{Points, PointsOut};

/// Channels of a pixel that belong to a group: the first one, and how many.
#[derive(Clone, Copy)]
pub(crate) struct Channels {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Channels {
    pub(crate) fn all(shape: Shape) -> Self {
        Self { first: 0, count: shape.channels }
    }
}

/// From one map to the other, through weights that were packed for this way.
pub(crate) fn run(
    way: ConvKind,
    from: (Source<'_>, Channels),
    window: ConvGeometry,
    weights: &Packed,
    to: (Sink, Channels),
    finish: &Finish,
) {
    match way {
        ConvKind::Conv2d => down(from, window, weights, to, finish),
        ConvKind::ConvTranspose2d => up(from, window, weights, to, finish),
    }
}

/// Conv2d: patches of the large map times weights.
fn down(
    large: (Source<'_>, Channels),
    window: ConvGeometry,
    weights: &Packed,
    small: (Sink, Channels),
    finish: &Finish,
) {
    let patches = Patches { source: large.0, channels: large.1, window, small: small.0.shape };
    let points = PointsOut { sink: small.0, channels: small.1, finish };
    engine::run(small.0.shape.pixels(), &patches, weights, &points);
}

/// Values of patches that are in memory at a time (4 MiB).
const PATCHES: usize = 1 << 20;

/// Up-convolution, the transposed of [`down`]: every small pixel's patch, added where patches overlap.
fn up(
    small: (Source<'_>, Channels),
    window: ConvGeometry,
    weights: &Packed,
    large: (Sink, Channels),
    finish: &Finish,
) {
    let (source, channels) = small;
    let Shape { batch, height, width, .. } = source.shape;
    let columns = window.taps() * large.1.count;
    let at_a_time = (PATCHES / (height * width * columns)).clamp(1, batch.max(1));
    let mut products = Buffer::uncleared(at_a_time * height * width * columns);
    for first in (0..batch).step_by(at_a_time) {
        let count = at_a_time.min(batch - first);
        let rows = Shape { batch: count, height, width, channels: columns };
        let product = &mut products[..rows.size()];
        let points = Points { source, channels, first: first * height * width };
        let sink = Sink::new(product, rows);
        let out = PointsOut { sink, channels: Channels::all(rows), finish: &Finish::NOTHING };
        engine::run(rows.pixels(), &points, weights, &out);
        let product = Source::new(product, rows);
        let lines = count * large.0.shape.height;
        (0..lines).into_par_iter().for_each(|line| {
            let (picture, y) = (line / large.0.shape.height, line % large.0.shape.height);
            dispatch(Overlap {
                product,
                picture,
                window,
                sink: large.0,
                channels: large.1,
                first,
                y,
                finish,
            });
        });
    }
}
