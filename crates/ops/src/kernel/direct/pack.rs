//! Weights laid out for products with patches.

use rayon::prelude::*;

use crate::{
    Way, Window,
    kernel::{
        lanes::Lanes,
        weights::{Packed, PackedMut},
    },
};

/// Kernels of one group, `[small, large, kernel, kernel]`.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) channels: [usize; 2],
    pub(crate) window: Window,
}

/// Weights for one way.
pub(crate) fn pack(way: Way, weights: Weights<'_>) -> Packed {
    match way {
        Way::Down => pack_down(weights),
        Way::Up => pack_up(weights),
    }
}

/// `[small, large]` values, read as 1x1 kernels.
pub(crate) fn pack_matrix(values: &[f32], channels: [usize; 2]) -> Packed {
    pack_down(Weights { values, channels, window: Window::new(1, 1, 0) })
}

/// The sum runs over taps, then channels.
fn pack_down(weights: Weights<'_>) -> Packed {
    let [small, large] = weights.channels;
    let taps = weights.window.taps();
    pack_by([taps * large, small], |k, n| {
        let (tap, q) = (k / large, k % large);
        weights.values[(n * large + q) * taps + tap]
    })
}

/// A column for each tap and channel.
fn pack_up(weights: Weights<'_>) -> Packed {
    let [small, large] = weights.channels;
    let taps = weights.window.taps();
    pack_by([small, taps * large], |k, n| {
        let (tap, q) = (n / large, n % large);
        weights.values[(k * large + q) * taps + tap]
    })
}

fn pack_by([rows, columns]: [usize; 2], value: impl Fn(usize, usize) -> f32 + Sync) -> Packed {
    let lanes = Lanes::detect();
    let mut packed = Packed::new(1, [lanes.chunks(rows), lanes.chunks(columns)], rows);
    let into: PackedMut = packed.writer();
    (0..lanes.chunks(columns)).into_par_iter().for_each(|chunk| {
        for k in 0..rows {
            for lane in 0..lanes.width {
                let n = chunk * lanes.width + lane;
                let value = if n < columns { value(k, n) } else { 0.0 };
                // SAFETY: this task alone writes this chunk of columns.
                unsafe { *into.at(0, k, chunk).add(lane) = value }
            }
        }
    });
    packed
}
