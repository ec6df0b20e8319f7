//! The gradient of the weights.

use rayon::prelude::*;

use super::{Channels, Patches, Points};
use crate::{
    Window,
    kernel::{lanes::Lanes, map::Source, outer},
};

/// Gradient of one group's weights, `[small, large, kernel, kernel]`.
pub(crate) fn weight_gradient(
    large: (Source<'_>, Channels),
    small: (Source<'_>, Channels),
    window: Window,
    gradient: &mut [f32],
) {
    let patches = Patches { source: large.0, channels: large.1, window, small: small.0.shape };
    let points = Points { source: small.0, channels: small.1, first: 0 };
    let sums = outer::run(small.0.shape.pixels(), 1, &patches, &points);
    let width = Lanes::detect().width;
    let (taps, large) = (window.taps(), large.1.count);
    gradient.par_chunks_mut(large * taps).enumerate().for_each(|(p, kernels)| {
        for (index, value) in kernels.iter_mut().enumerate() {
            let (q, tap) = (index / taps, index % taps);
            *value = sums.row(0, tap * large + q, p / width)[p % width];
        }
    });
}
