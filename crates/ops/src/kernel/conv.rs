//! Which algorithm computes a convolution, chosen by its shape.

use super::{
    dense::{self, Sizes},
    direct::{self, Channels, Weights},
    finish::Finish,
    lanes::Lanes,
    map::{Shape, Sink, Source},
    matrix,
    scratch::Buffer,
    weights::{Kernels, KernelsMut, Packed},
    winograd::{self, Tiles},
};
use crate::{ConvGeometry, ConvKind, ConvLayer};

/// A pair of maps, the small one being the convolution's result and the up-convolution's input, and
/// the window between them. Weights are `[small, large / groups, kernel, kernel]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) window: ConvGeometry,
    pub(crate) groups: usize,
    pub(crate) large: Shape,
    pub(crate) small: Shape,
}

/// The algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    /// Minimal filtering, for 4x4 kernels of stride 2 between maps of many channels.
    Winograd,
    /// Patches times weights.
    Direct,
    /// A kernel as large as the map.
    Dense,
}

/// The window of [`Route::Winograd`].
const HALVING: ConvGeometry = ConvGeometry::new(4, 2, 1);

/// Tiles below which Winograd's larger weights cost more than its products save.
const FEW_TILES: usize = 24;

impl Geometry {
    /// The maps on both sides of a layer that takes `x`, by the first two sizes of its weights.
    pub(crate) fn of(layer: ConvLayer, x: Shape, weight: [usize; 2]) -> Self {
        let ConvLayer { way, window, groups, .. } = layer;
        let [small, large_per_group] = weight;
        let y = match way {
            ConvKind::Conv2d => {
                Shape { height: window.down(x.height), width: window.down(x.width), channels: small, ..x }
            }
            ConvKind::ConvTranspose2d => Shape {
                height: window.up(x.height),
                width: window.up(x.width),
                channels: large_per_group * groups,
                ..x
            },
        };
        let [large, small] = way.sorted([x, y]);
        Self { window, groups, large, small }
    }

    pub(crate) fn route(&self) -> Route {
        let Self { window, groups, large, small } = *self;
        if groups == 1
            && window.padding == 0
            && small.height == 1
            && small.width == 1
            && large.height == window.kernel
            && large.width == window.kernel
            && window.kernel > 1
        {
            return Route::Dense;
        }
        let halves = large.height == 2 * small.height && large.width == 2 * small.width;
        let wide = small.channels.min(large.channels) >= Lanes::detect().width;
        if groups == 1 && window == HALVING && halves && wide { Route::Winograd } else { Route::Direct }
    }

    /// The algorithm where weights are laid out once and used often.
    pub(crate) fn prepared_route(&self) -> Route {
        match self.route() {
            Route::Winograd if Tiles::covering(self.small).all < FEW_TILES => Route::Direct,
            route => route,
        }
    }

    /// Values of the weights.
    pub(crate) fn weights(&self) -> usize {
        self.small.channels * (self.large.channels / self.groups) * self.window.taps()
    }

    fn sizes(&self) -> Sizes {
        Sizes { batch: self.small.batch, small: self.small.channels, large: self.large }
    }

    /// Channels of a group in both maps, and where its weights lie.
    fn group(&self, index: usize) -> Group {
        let part = |channels: usize| {
            let count = channels / self.groups;
            Channels { first: index * count, count }
        };
        let (small, large) = (part(self.small.channels), part(self.large.channels));
        let size = small.count * large.count * self.window.taps();
        Group { small, large, weights: (index * size, (index + 1) * size) }
    }

    fn group_weights<'a>(&self, group: &Group, values: &'a [f32]) -> Weights<'a> {
        Weights {
            values: &values[group.weights.0..group.weights.1],
            channels: [group.small.count, group.large.count],
            window: self.window,
        }
    }
}

struct Group {
    small: Channels,
    large: Channels,
    weights: (usize, usize),
}

/// Weights as an algorithm wants them, for one way.
pub(crate) struct Laid {
    way: ConvKind,
    layout: Layout,
}

enum Layout {
    Winograd(Vec<Packed>),
    /// One for each group.
    Direct(Vec<Packed>),
    /// As they are.
    Dense,
}

/// Lays weights out for [`run`].
pub(crate) fn lay(geometry: &Geometry, way: ConvKind, route: Route, weights: &[f32]) -> Laid {
    let layout = match route {
        Route::Winograd => {
            let channels = [geometry.small.channels, geometry.large.channels];
            Layout::Winograd(winograd::pack(way, Kernels::new(weights, channels)))
        }
        Route::Direct => {
            let groups = (0..geometry.groups).map(|index| geometry.group(index));
            Layout::Direct(
                groups.map(|group| direct::pack(way, geometry.group_weights(&group, weights))).collect(),
            )
        }
        Route::Dense => Layout::Dense,
    };
    Laid { way, layout }
}

/// From one map to the other, the way that the weights were laid out for; `weights` are those.
pub(crate) fn run(
    geometry: &Geometry,
    laid: &Laid,
    weights: &[f32],
    from: &[f32],
    finish: &Finish,
) -> Buffer {
    let way = laid.way;
    let [from_shape, to_shape] = way.sorted([geometry.large, geometry.small]);
    let source = Source::new(from, from_shape);
    let mut result = Buffer::uncleared(to_shape.size());
    match &laid.layout {
        Layout::Winograd(packed) => {
            winograd::run(way, source, packed, Sink::new(&mut result, to_shape), finish);
        }
        Layout::Direct(packed) => {
            for (index, packed) in packed.iter().enumerate() {
                let group = geometry.group(index);
                let [from, to] = way.sorted([group.large, group.small]);
                let sink = Sink::new(&mut result, to_shape);
                let finish = finish.part(to.first, to.count);
                direct::run(way, (source, from), geometry.window, packed, (sink, to), &finish);
            }
        }
        Layout::Dense => {
            dense::run(way, geometry.sizes(), weights, from, &mut result);
            finish.apply_all(&mut result, to_shape.channels);
        }
    }
    result
}

/// The same for a kernel as large as the map, with weights that were laid out for this way.
pub(crate) fn run_dense(
    geometry: &Geometry,
    way: ConvKind,
    weights: matrix::Laid<'_>,
    from: &[f32],
    finish: &Finish,
) -> Buffer {
    let [_, to] = way.sorted([geometry.large, geometry.small]);
    let mut result = Buffer::uncleared(to.size());
    dense::run_laid(way, geometry.sizes(), weights, from, &mut result);
    finish.apply_all(&mut result, to.channels);
    result
}

/// The gradient of the weights, from the large map and the gradient of the small one or the other way
/// round: it is the same sum.
pub(crate) fn weight_gradient(geometry: &Geometry, large: &[f32], small: &[f32]) -> Buffer {
    let (from, to) = (Source::new(large, geometry.large), Source::new(small, geometry.small));
    match geometry.route() {
        Route::Winograd => {
            let mut gradient = Buffer::uncleared(geometry.weights());
            let channels = [geometry.small.channels, geometry.large.channels];
            winograd::weight_gradient(from, to, KernelsMut::new(&mut gradient, channels));
            gradient
        }
        Route::Direct => {
            let mut gradient = Buffer::uncleared(geometry.weights());
            for index in 0..geometry.groups {
                let group = geometry.group(index);
                let part = &mut gradient[group.weights.0..group.weights.1];
                direct::weight_gradient((from, group.large), (to, group.small), geometry.window, part);
            }
            gradient
        }
        Route::Dense => dense::weight_gradient(geometry.sizes(), large, small),
    }
}
