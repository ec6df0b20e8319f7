//! Convolutions as one product of patches and weights: any square kernel, stride, padding and groups.
//!
//! [`down`] gathers patches block by block (an im2col that never leaves the cache), [`up`] multiplies
//! first and adds overlapping patches afterwards, [`weight_gradient`] sums outer products of patches
//! and gradients. For maps of few channels, where Winograd's transforms would cost more than they
//! save, for single pictures, and for kernels that are not 4x4 of stride 2.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    engine::{self, Block, Deliver, Gather, Rows},
    finish::Finish,
    lanes::{Lanes, Task, dispatch, load, load_first, store, store_first},
    map::{Shape, Sink, Source},
    outer,
    scratch::Buffer,
    weights::{Packed, PackedMut},
};
use crate::Window;

/// Kernels of one group, `[small, large, kernel, kernel]`.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) channels: [usize; 2],
    pub(crate) window: Window,
}

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

/// Convolution: patches of the large map times weights.
pub(crate) fn down(
    large: (Source<'_>, Channels),
    window: Window,
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
pub(crate) fn up(
    small: (Source<'_>, Channels),
    window: Window,
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

/// Weights for [`down`]: the sum runs over taps, then channels.
pub(crate) fn pack_down(weights: Weights<'_>) -> Packed {
    let [small, large] = weights.channels;
    let taps = weights.window.taps();
    pack([taps * large, small], |k, n| {
        let (tap, q) = (k / large, k % large);
        weights.values[(n * large + q) * taps + tap]
    })
}

/// Weights for [`up`]: a column for each tap and channel.
pub(crate) fn pack_up(weights: Weights<'_>) -> Packed {
    let [small, large] = weights.channels;
    let taps = weights.window.taps();
    pack([small, taps * large], |k, n| {
        let (tap, q) = (n / large, n % large);
        weights.values[(k * large + q) * taps + tap]
    })
}

pub(crate) fn pack([rows, columns]: [usize; 2], value: impl Fn(usize, usize) -> f32 + Sync) -> Packed {
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

/// Reads the patch below each pixel of the small map.
struct Patches<'a> {
    source: Source<'a>,
    channels: Channels,
    window: Window,
    small: Shape,
}

impl Gather for Patches<'_> {
    fn unit(&self) -> usize {
        1
    }

    fn channels(&self) -> usize {
        self.window.taps() * self.channels.count
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
        let Window { kernel, stride, padding } = self.window;
        let Channels { first, count } = self.channels;
        let whole = count.is_multiple_of(width);
        let columns = self.channels();
        let mut patch = Buffer::uncleared(if whole { 0 } else { columns.next_multiple_of(width) + width });
        for row in 0..rows.count {
            let position = rows.first + row;
            let (line, x) = (position / self.small.width, position % self.small.width);
            let (picture, y) = (line / self.small.height, line % self.small.height);
            let top = (y * stride) as isize - padding as isize;
            let left = (x * stride) as isize - padding as isize;
            if whole {
                let per_tap = count / width;
                for unit in units.0..units.1 {
                    let tap = unit / per_tap;
                    let pixel = self.source.pixel(
                        picture,
                        top + (tap / kernel) as isize,
                        left + (tap % kernel) as isize,
                    );
                    // SAFETY: each pixel has its channels; the block has room for this row and unit.
                    unsafe {
                        let value = if pixel.is_null() {
                            simd.splat_f32s(0.0)
                        } else {
                            load::<S>(pixel.add(first + unit % per_tap * width))
                        };
                        store::<S>(block.at::<ROWS>(width, row, unit - units.0), value);
                    }
                }
            } else {
                // Few or odd channels: lay the patch out first.
                self.lay_out::<S>(picture, [top, left], &mut patch);
                for unit in units.0..units.1 {
                    // SAFETY: the patch is whole registers; the block has room.
                    unsafe {
                        let value = load::<S>(patch[unit * width..][..width].as_ptr());
                        store::<S>(block.at::<ROWS>(width, row, unit - units.0), value);
                    }
                }
            }
        }
    }
}

impl Patches<'_> {
    /// Copies a patch, tap by tap and channel by channel; `patch` has a register to spare.
    #[inline(always)]
    fn lay_out<S: Simd>(&self, picture: usize, [top, left]: [isize; 2], patch: &mut [f32]) {
        let kernel = self.window.kernel;
        let Channels { first, count } = self.channels;
        let Shape { width: across, channels, .. } = self.source.shape;
        // Taps of a line lie side by side where the group is all there is and the line is inside.
        let run = kernel * count;
        let inside = left >= 0 && left as usize + kernel <= across && count == channels;
        for row in 0..kernel {
            let line = self.source.pixel(picture, top + row as isize, left.max(0));
            let to = &mut patch[row * run..];
            if inside && !line.is_null() && self.source.has_after(line, run + S::F32_LANES) {
                for at in (0..run).step_by(S::F32_LANES) {
                    // SAFETY: a register more than the run is inside the map and inside the patch; what
                    // is written behind the run is written again by the next line, or is to spare.
                    unsafe { store::<S>(to[at..][..S::F32_LANES].as_mut_ptr(), load::<S>(line.add(at))) }
                }
                continue;
            }
            for column in 0..kernel {
                let pixel = self.source.pixel(picture, top + row as isize, left + column as isize);
                for channel in 0..count {
                    let value = if pixel.is_null() {
                        0.0
                    } else {
                        // SAFETY: each pixel has its channels.
                        unsafe { *pixel.add(first + channel) }
                    };
                    to[column * count + channel] = value;
                }
            }
        }
        // What the last line wrote too far must not count.
        patch[kernel * run..].fill(0.0);
    }
}

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
        let Shape { height, width: across, .. } = self.sink.shape;
        for row in 0..rows.count {
            let position = rows.first + row;
            let (line, x) = (position / across, position % across);
            let pixel = self.sink.pixel(line / height, line % height, x);
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

/// Adds up the patches that overlap in one line of the large map.
struct Overlap<'a> {
    product: Source<'a>,
    /// The picture among the products, and what to add for the picture in the large map.
    picture: usize,
    first: usize,
    window: Window,
    sink: Sink,
    channels: Channels,
    y: usize,
    finish: &'a Finish,
}

impl Task for Overlap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let Self { product, picture, first, window, sink, channels, y, finish } = self;
        let Window { kernel, stride, padding } = window;
        let count = channels.count;
        // The line with a margin on both sides, so that every patch's row is one run.
        let margin = padding * count;
        let needed = (product.shape.width - 1) * stride + kernel;
        let mut line = Buffer::zeroed(needed.max(padding + sink.shape.width) * count);
        for row in 0..kernel {
            // `small * stride + row = y + padding`
            let Some(from) = (y + padding).checked_sub(row) else { continue };
            let small_y = from / stride;
            if from % stride != 0 || small_y >= product.shape.height {
                continue;
            }
            for small_x in 0..product.shape.width {
                let patch = product.pixel(picture, small_y as isize, small_x as isize);
                // SAFETY: a patch has a value for each tap and channel.
                let run =
                    unsafe { std::slice::from_raw_parts(patch.add(row * kernel * count), kernel * count) };
                let to = &mut line[small_x * stride * count..][..kernel * count];
                for (to, value) in to.iter_mut().zip(run) {
                    *to += value;
                }
            }
        }
        let line = &line[margin..][..sink.shape.width * count];
        let pixel = sink.pixel(first + picture, y, 0);
        if finish.is_nothing() && count == sink.shape.channels {
            // SAFETY: a line of the sink, which this task alone writes.
            unsafe { std::ptr::copy_nonoverlapping(line.as_ptr(), pixel, line.len()) };
            return;
        }
        for (x, values) in line.chunks_exact(count).enumerate() {
            let pixel = sink.pixel(first + picture, y, x);
            for chunk in 0..count.div_ceil(width) {
                let left = count - chunk * width;
                // SAFETY: the pixel has its channels, and this task alone writes its line.
                unsafe {
                    let value = load_first(simd, values.as_ptr().add(chunk * width), left);
                    let value = finish.apply(simd, value, chunk);
                    store_first(simd, pixel.add(channels.first + chunk * width), left, value);
                }
            }
        }
    }
}
