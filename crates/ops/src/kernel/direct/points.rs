//! Pixels as they are, in and out.

use pulp::Simd;

use super::Channels;
use crate::kernel::{
    engine::{Block, Deliver, Gather, Rows},
    finish::Finish,
    lanes::{load, load_first, store, store_first},
    map::{Sink, Source},
};

/// Reads pixels as they are.
pub(crate) struct Points<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) channels: Channels,
    /// The pixel that is row 0.
    pub(crate) first: usize,
}

impl Gather for Points<'_> {
    fn unit(&self) -> usize {
        1
    }

    fn channels(&self) -> usize {
        self.channels.count
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
        let Channels { first, count } = self.channels;
        for row in 0..rows.count {
            let pixel = &self.source.values[(self.first + rows.first + row) * self.source.shape.channels..];
            let pixel = &pixel[first..first + count];
            for unit in units.0..units.1 {
                // SAFETY: the slice has `count` values; the block has room for this row and unit.
                unsafe {
                    let value = load_first(simd, pixel.as_ptr().add(unit * width), count - unit * width);
                    store::<S>(block.at::<ROWS>(width, row, unit - units.0), value);
                }
            }
        }
    }
}

/// Writes pixels as they are.
pub(crate) struct PointsOut<'a> {
    pub(crate) sink: Sink,
    pub(crate) channels: Channels,
    pub(crate) finish: &'a Finish,
}

impl Deliver for PointsOut<'_> {
    #[inline(always)]
    unsafe fn deliver<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        chunks: (usize, usize),
        block: Block,
    ) {
        let width = S::F32_LANES;
        let Channels { first, count } = self.channels;
        for row in 0..rows.count {
            let (picture, y, x) = self.sink.shape.place(rows.first + row);
            let pixel = self.sink.pixel(picture, y, x);
            for chunk in chunks.0..chunks.1 {
                // SAFETY: the block holds this row and chunk; the pixel has its channels, and no
                // other task delivers them.
                unsafe {
                    let value = load::<S>(block.at::<ROWS>(width, row, chunk));
                    let value = self.finish.apply(simd, value, chunk);
                    store_first(simd, pixel.add(first + chunk * width), count - chunk * width, value);
                }
            }
        }
    }
}
