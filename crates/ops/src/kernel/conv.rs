//! Which algorithm computes a convolution, chosen by its shape.

use rayon::prelude::*;

use super::{
    dense::{self, Sizes},
    direct::{self, Channels, Weights},
    finish::Finish,
    lanes::Lanes,
    map::{Shape, Sink, Source},
    scratch::Buffer,
    weights::{Kernels, KernelsMut, Packed},
    winograd::{self, Tiles},
};
use crate::Window;

/// A pair of maps, the small one being the convolution's result and the up-convolution's input, and
/// the window between them. Weights are `[small, large / groups, kernel, kernel]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) window: Window,
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
const HALVING: Window = Window::new(4, 2, 1);

/// Tiles below which Winograd's larger weights cost more than its products save.
const FEW_TILES: usize = 24;

impl Geometry {
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

    fn kernels<'a>(&self, values: &'a [f32]) -> Kernels<'a> {
        Kernels::new(values, [self.small.channels, self.large.channels])
    }

    fn sizes(&self) -> Sizes {
        let large = self.large.channels * self.window.taps();
        Sizes { batch: self.small.batch, small: self.small.channels, large }
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

/// Weights as an algorithm wants them.
pub(crate) enum Laid {
    Winograd(Packed),
    WinogradUp(Box<[Packed; 4]>),
    Direct(Vec<Packed>),
    /// As they are.
    Dense,
}

/// Lays weights out for [`down`].
pub(crate) fn lay_down(geometry: &Geometry, route: Route, weights: &[f32]) -> Laid {
    match route {
        Route::Winograd => Laid::Winograd(winograd::pack_down(geometry.kernels(weights))),
        Route::Direct => Laid::Direct(
            (0..geometry.groups)
                .map(|index| direct::pack_down(geometry.group_weights(&geometry.group(index), weights)))
                .collect(),
        ),
        Route::Dense => Laid::Dense,
    }
}

/// Lays weights out for [`up`].
pub(crate) fn lay_up(geometry: &Geometry, route: Route, weights: &[f32]) -> Laid {
    match route {
        Route::Winograd => Laid::WinogradUp(Box::new(winograd::pack_up(geometry.kernels(weights)))),
        Route::Direct => Laid::Direct(
            (0..geometry.groups)
                .map(|index| direct::pack_up(geometry.group_weights(&geometry.group(index), weights)))
                .collect(),
        ),
        Route::Dense => Laid::Dense,
    }
}

/// The convolution: from the large map to the small one. `weights` are those that were laid out.
pub(crate) fn down(
    geometry: &Geometry,
    laid: &Laid,
    weights: &[f32],
    large: &[f32],
    finish: &Finish,
) -> Buffer {
    let mut small = Buffer::uncleared(geometry.small.size());
    match laid {
        Laid::Winograd(packed) => {
            let sink = Sink::new(&mut small, geometry.small);
            winograd::down(Source::new(large, geometry.large), packed, sink, finish);
        }
        Laid::Direct(packed) => {
            for (index, packed) in packed.iter().enumerate() {
                let group = geometry.group(index);
                let source = (Source::new(large, geometry.large), group.large);
                let sink = (Sink::new(&mut small, geometry.small), group.small);
                let finish = finish.part(group.small.first, group.small.count);
                direct::down(source, geometry.window, packed, sink, &finish);
            }
        }
        Laid::Dense => {
            dense::down(geometry.sizes(), weights, &channels_first(geometry.large, large), &mut small);
            finish.apply_all(&mut small, geometry.small.channels);
        }
        Laid::WinogradUp(_) => unreachable!("weights that were laid out for an up-convolution"),
    }
    small
}

/// The up-convolution: from the small map to the large one.
pub(crate) fn up(
    geometry: &Geometry,
    laid: &Laid,
    weights: &[f32],
    small: &[f32],
    finish: &Finish,
) -> Buffer {
    let mut large = Buffer::uncleared(geometry.large.size());
    match laid {
        Laid::WinogradUp(packed) => {
            let sink = Sink::new(&mut large, geometry.large);
            winograd::up(Source::new(small, geometry.small), packed, sink, finish);
        }
        Laid::Direct(packed) => {
            for (index, packed) in packed.iter().enumerate() {
                let group = geometry.group(index);
                let source = (Source::new(small, geometry.small), group.small);
                let sink = (Sink::new(&mut large, geometry.large), group.large);
                let finish = finish.part(group.large.first, group.large.count);
                direct::up(source, geometry.window, packed, sink, &finish);
            }
        }
        Laid::Dense => {
            let mut planes = Buffer::uncleared(large.len());
            dense::up(geometry.sizes(), weights, small, &mut planes);
            channels_last(geometry.large, &planes, &mut large);
            finish.apply_all(&mut large, geometry.large.channels);
        }
        Laid::Winograd(_) => unreachable!("weights that were laid out for a convolution"),
    }
    large
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
        Route::Dense => {
            dense::weight_gradient(geometry.sizes(), &channels_first(geometry.large, large), small)
        }
    }
}

/// Channels last to channels first, picture by picture.
fn channels_first(shape: Shape, from: &[f32]) -> Buffer {
    let Shape { height, width, channels, .. } = shape;
    let mut to = Buffer::uncleared(from.len());
    let picture = height * width * channels;
    to.par_chunks_mut(picture).zip(from.par_chunks(picture)).for_each(|(to, from)| {
        for (channel, plane) in to.chunks_exact_mut(height * width).enumerate() {
            for (pixel, value) in plane.iter_mut().enumerate() {
                *value = from[pixel * channels + channel];
            }
        }
    });
    to
}

/// Channels first to channels last, picture by picture.
fn channels_last(shape: Shape, from: &[f32], to: &mut [f32]) {
    let Shape { height, width, channels, .. } = shape;
    let picture = height * width * channels;
    to.par_chunks_mut(picture).zip(from.par_chunks(picture)).for_each(|(to, from)| {
        for (pixel, values) in to.chunks_exact_mut(channels).enumerate() {
            for (channel, value) in values.iter_mut().enumerate() {
                *value = from[channel * height * width + pixel];
            }
        }
    });
}
