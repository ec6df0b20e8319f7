//! Kernels as large as the map: every value of the large map meets every small channel.
//!
//! Weights are a matrix of `small` rows and `large` columns, far larger than the maps. They are read
//! once, as they lie in memory: a few pictures meet them register by register (`few`), in a larger
//! batch they are the rows of a product whose columns are the pictures.

use rayon::prelude::*;

use super::{
    direct::{
        Channels, Points, PointsOut,
        pack::{pack_matrix, unpack},
    },
    engine, few,
    finish::Finish,
    map::{Shape, Sink, Source},
    matrix::Laid,
    outer,
    rows::{Plain, Rows as _},
    scratch::Buffer,
    single,
};
use crate::ConvKind;

/// Sizes: `batch` maps `large` become as many vectors of `small` values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) batch: usize,
    pub(crate) small: usize,
    pub(crate) large: Shape,
}

impl Sizes {
    /// Values of one large map.
    fn plane(&self) -> usize {
        let Shape { height, width, channels, .. } = self.large;
        height * width * channels
    }
}

/// From one map to the other, channels last on both sides.
pub(crate) fn run(way: ConvKind, sizes: Sizes, weights: &[f32], from: &[f32], to: &mut [f32]) {
    match way {
        ConvKind::Conv2d => {
            let rows = Plain::new(weights, [sizes.small, sizes.plane()]);
            product(Laid::F32(rows), &channels_first(sizes.large, from), to);
        }
        ConvKind::ConvTranspose2d => {
            let mut planes = Buffer::uncleared(to.len());
            up(sizes, weights, from, &mut planes);
            channels_last(sizes.large, &planes, to);
        }
    }
}

/// The same with weights that were laid out for this way.
pub(crate) fn run_laid(way: ConvKind, sizes: Sizes, weights: Laid<'_>, from: &[f32], to: &mut [f32]) {
    match way {
        ConvKind::Conv2d => product(weights, &channels_first(sizes.large, from), to),
        ConvKind::ConvTranspose2d => {
            let mut planes = Buffer::uncleared(to.len());
            product(weights, from, &mut planes);
            channels_last(sizes.large, &planes, to);
        }
    }
}

/// Pictures that are still few.
const FEW: usize = 32;

/// `to = from weights^T`, a row for each picture.
fn product(weights: Laid<'_>, from: &[f32], to: &mut [f32]) {
    match weights {
        Laid::F32(rows) => {
            let [outputs, inputs] = rows.sizes();
            let batch = from.len() / inputs;
            if batch <= FEW {
                return few::run(rows, from, to);
            }
            large_product(rows.values(), from, [outputs, inputs, batch], to);
        }
        Laid::Bf16(halves) => {
            let rows = halves.rows();
            let [outputs, inputs] = rows.sizes();
            for (from, to) in from.chunks(FEW * inputs).zip(to.chunks_mut(FEW * outputs)) {
                few::run(rows, from, to);
            }
        }
    }
}

/// The same for a batch that fills registers.
fn large_product(weights: &[f32], from: &[f32], [outputs, inputs, batch]: [usize; 3], to: &mut [f32]) {
    let packed = pack_matrix(from, [batch, inputs]);
    let mut product = Buffer::uncleared(outputs * batch);
    let (rows, result) = (matrix(outputs, inputs), matrix(outputs, batch));
    let points = Points { source: Source::new(weights, rows), channels: Channels::all(rows), first: 0 };
    let sink = Sink::new(&mut product, result);
    let out = PointsOut { sink, channels: Channels::all(result), finish: &Finish::NOTHING };
    engine::run(outputs, &points, &packed, &out);
    transpose(&product, [outputs, batch], to);
}

/// `[rows, columns]` as a map.
fn matrix(rows: usize, columns: usize) -> Shape {
    Shape { batch: 1, height: 1, width: rows, channels: columns }
}

/// `large = small weights`.
fn up(sizes: Sizes, weights: &[f32], small: &[f32], large: &mut [f32]) {
    let Sizes { batch, small: inputs, .. } = sizes;
    let outputs = sizes.plane();
    if batch == 1 {
        return single::columns(weights, small, large);
    }
    let mut turned = Buffer::uncleared(inputs * batch);
    transpose(small, [batch, inputs], &mut turned);
    let (left, right) = (matrix(inputs, outputs), matrix(inputs, batch));
    let sums = outer::run(
        inputs,
        1,
        &Points { source: Source::new(weights, left), channels: Channels::all(left), first: 0 },
        &Points { source: Source::new(&turned, right), channels: Channels::all(right), first: 0 },
    );
    unpack(&sums, [batch, outputs], 1, large);
}

/// Gradient of the weights, `small^T large`.
pub(crate) fn weight_gradient(sizes: Sizes, large: &[f32], small: &[f32]) -> Buffer {
    let Sizes { batch, small: rows, .. } = sizes;
    let columns = sizes.plane();
    let large = channels_first(sizes.large, large);
    let (left, right) = (matrix(batch, rows), matrix(batch, columns));
    let sums = outer::run(
        batch,
        1,
        &Points { source: Source::new(small, left), channels: Channels::all(left), first: 0 },
        &Points { source: Source::new(&large, right), channels: Channels::all(right), first: 0 },
    );
    sums.into_matrix(rows, columns)
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(from: &[f32], [rows, columns]: [usize; 2], to: &mut [f32]) {
    to.par_chunks_mut(rows).enumerate().for_each(|(column, to)| {
        for (row, value) in to.iter_mut().enumerate() {
            *value = from[row * columns + column];
        }
    });
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
