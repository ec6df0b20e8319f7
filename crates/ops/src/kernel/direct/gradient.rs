//! The gradient of the weights.

use super::{Channels, Patches, Points, pack::unpack};
use crate::{
    ConvGeometry,
    kernel::{map::Source, outer},
};

/// Gradient of one group's weights, `[small, large, kernel, kernel]`.
pub(crate) fn weight_gradient(
    large: (Source<'_>, Channels),
    small: (Source<'_>, Channels),
    window: ConvGeometry,
    gradient: &mut [f32],
) {
    let patches = Patches { source: large.0, channels: large.1, window, small: small.0.shape };
    let points = Points { source: small.0, channels: small.1, first: 0 };
    let sums = outer::run(small.0.shape.pixels(), 1, &patches, &points);
    unpack(&sums, [small.1.count, large.1.count], window.taps(), gradient);
}
