//! Patches that overlap, added up.

use pulp::Simd;

use super::Channels;
use crate::{
    ConvGeometry,
    kernel::{
        finish::Finish,
        lanes::{Task, load_first, store_first},
        map::{Sink, Source},
        scratch::Buffer,
    },
};

/// Adds up the patches that overlap in one line of the large map.
pub(super) struct Overlap<'a> {
    pub(super) product: Source<'a>,
    /// The picture among the products, and what to add for the picture in the large map.
    pub(super) picture: usize,
    pub(super) first: usize,
    pub(super) window: ConvGeometry,
    pub(super) sink: Sink,
    pub(super) channels: Channels,
    pub(super) y: usize,
    pub(super) finish: &'a Finish,
}

impl Task for Overlap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let Self { product, picture, first, window, sink, channels, y, finish } = self;
        let ConvGeometry { kernel, stride, padding } = window;
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
