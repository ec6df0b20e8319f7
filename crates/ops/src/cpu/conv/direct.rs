//! Convolutions as one product of patches and weights: any square kernel, stride, padding and groups.
//!
//! [`conv2d`] packs patches block by block (an im2col that never leaves the cache), [`conv_transpose2d`]
//! multiplies first and adds overlapping patches afterwards (col2im), [`weight_gradient`] sums outer products
//! of patches and gradients. For maps of few channels, where Winograd's transforms would cost more than they
//! save, for single images, and for kernels that are not 4x4 of stride 2.

use pulp::Simd;
use rayon::prelude::*;

use super::direct_weights::unpack;
use crate::{
    cpu::{
        buffer::Buffer,
        feature_map::{Shape, Sink, Source},
        gemm::{Block, BlockRange, PackInput, PackedMatrix, StoreOutput, gemm},
        gemm_tn::gemm_tn,
        pointwise::Epilogue,
        simd::{SimdKernel, dispatch, load, load_first, store, store_first},
    },
    layer::{ConvGeometry, ConvKind},
};

/// Channels of a pixel that belong to a group: the first one, and how many.
#[derive(Clone, Copy)]
pub(crate) struct ChannelRange {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl ChannelRange {
    pub(crate) fn all(shape: Shape) -> Self {
        Self { first: 0, count: shape.channels }
    }
}

/// From one map to the other, through weights that were packed for this kind of convolution.
pub(crate) fn forward(
    kind: ConvKind,
    from: (Source<'_>, ChannelRange),
    geometry: ConvGeometry,
    weights: &PackedMatrix,
    to: (Sink, ChannelRange),
    epilogue: &Epilogue,
) {
    match kind {
        ConvKind::Conv2d => conv2d(from, geometry, weights, to, epilogue),
        ConvKind::ConvTranspose2d => conv_transpose2d(from, geometry, weights, to, epilogue),
    }
}

/// Convolution: patches of the large map times weights.
fn conv2d(
    large: (Source<'_>, ChannelRange),
    geometry: ConvGeometry,
    weights: &PackedMatrix,
    small: (Sink, ChannelRange),
    epilogue: &Epilogue,
) {
    let patches = PackPatches { source: large.0, channels: large.1, geometry, small: small.0.shape };
    let output = StorePixels { sink: small.0, channels: small.1, epilogue };
    gemm(small.0.shape.pixels(), &patches, weights, &output);
}

/// Values of patches that are in memory at a time (4 MiB).
const PATCH_VALUES: usize = 1 << 20;

/// Transposed convolution, the transpose of [`conv2d`]: every small pixel's patch, added where patches
/// overlap.
fn conv_transpose2d(
    small: (Source<'_>, ChannelRange),
    geometry: ConvGeometry,
    weights: &PackedMatrix,
    large: (Sink, ChannelRange),
    epilogue: &Epilogue,
) {
    let (source, channels) = small;
    let Shape { batch, height, width, .. } = source.shape;
    let columns = geometry.taps() * large.1.count;
    let at_a_time = (PATCH_VALUES / (height * width * columns)).clamp(1, batch.max(1));
    let mut products = Buffer::uncleared(at_a_time * height * width * columns);
    for first in (0..batch).step_by(at_a_time) {
        let count = at_a_time.min(batch - first);
        let rows = Shape { batch: count, height, width, channels: columns };
        let product = &mut products[..rows.size()];
        let pixels = PackPixels { source, channels, first: first * height * width };
        let sink = Sink::new(product, rows);
        let output = StorePixels { sink, channels: ChannelRange::all(rows), epilogue: &Epilogue::IDENTITY };
        gemm(rows.pixels(), &pixels, weights, &output);
        let product = Source::new(product, rows);
        let lines = count * large.0.shape.height;
        (0..lines).into_par_iter().for_each(|line| {
            let (image, y) = (line / large.0.shape.height, line % large.0.shape.height);
            dispatch(Col2im {
                product,
                image,
                geometry,
                sink: large.0,
                channels: large.1,
                first,
                y,
                epilogue,
            });
        });
    }
}

/// Gradient of one group's weights, `[small, large, kernel, kernel]`.
pub(crate) fn weight_gradient(
    large: (Source<'_>, ChannelRange),
    small: (Source<'_>, ChannelRange),
    geometry: ConvGeometry,
    gradient: &mut [f32],
) {
    let patches = PackPatches { source: large.0, channels: large.1, geometry, small: small.0.shape };
    let pixels = PackPixels { source: small.0, channels: small.1, first: 0 };
    let sums = gemm_tn(small.0.shape.pixels(), 1, &patches, &pixels);
    unpack(&sums, [small.1.count, large.1.count], geometry.taps(), gradient);
}

/// Reads the patch below each pixel of the small map.
struct PackPatches<'a> {
    source: Source<'a>,
    channels: ChannelRange,
    geometry: ConvGeometry,
    small: Shape,
}

impl PackInput for PackPatches<'_> {
    fn channels(&self) -> usize {
        self.geometry.taps() * self.channels.count
    }

    #[inline(always)]
    unsafe fn pack<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block) {
        let BlockRange { first_row, rows, columns: units } = range;
        let width = S::F32_LANES;
        let ConvGeometry { kernel, stride, padding } = self.geometry;
        let ChannelRange { first, count } = self.channels;
        let whole = count.is_multiple_of(width);
        let sums = self.channels();
        let mut patch = Buffer::uncleared(if whole { 0 } else { sums.next_multiple_of(width) + width });
        for row in 0..rows {
            let (image, y, x) = self.small.place(first_row + row);
            let top = (y * stride) as isize - padding as isize;
            let left = (x * stride) as isize - padding as isize;
            if whole {
                let per_tap = count / width;
                for unit in units.0..units.1 {
                    let tap = unit / per_tap;
                    let pixel = self.source.pixel(
                        image,
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
                // Few or odd channels: copy the patch to one run first.
                self.copy_patch::<S>(image, [top, left], &mut patch);
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

impl PackPatches<'_> {
    /// Copies a patch, tap by tap and channel by channel; `patch` has a register to spare.
    #[inline(always)]
    fn copy_patch<S: Simd>(&self, image: usize, [top, left]: [isize; 2], patch: &mut [f32]) {
        let kernel = self.geometry.kernel;
        let ChannelRange { first, count } = self.channels;
        let Shape { width: across, channels, .. } = self.source.shape;
        // Taps of a line lie side by side where the group is all there is and the line is inside.
        let run = kernel * count;
        let inside = left >= 0 && left as usize + kernel <= across && count == channels;
        for row in 0..kernel {
            let line = self.source.pixel(image, top + row as isize, left.max(0));
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
                let pixel = self.source.pixel(image, top + row as isize, left + column as isize);
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
pub(crate) struct PackPixels<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) channels: ChannelRange,
    /// The pixel that is row 0.
    pub(crate) first: usize,
}

impl<'a> PackPixels<'a> {
    /// The rows of a matrix.
    pub(crate) fn of_matrix(values: &'a [f32], rows: usize, columns: usize) -> Self {
        let shape = Shape { batch: 1, height: 1, width: rows, channels: columns };
        Self { source: Source::new(values, shape), channels: ChannelRange::all(shape), first: 0 }
    }
}

impl PackInput for PackPixels<'_> {
    fn channels(&self) -> usize {
        self.channels.count
    }

    #[inline(always)]
    unsafe fn pack<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block) {
        let BlockRange { first_row, rows, columns: units } = range;
        let width = S::F32_LANES;
        let ChannelRange { first, count } = self.channels;
        for row in 0..rows {
            let pixel = &self.source.values[(self.first + first_row + row) * self.source.shape.channels..];
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
pub(crate) struct StorePixels<'a> {
    pub(crate) sink: Sink,
    pub(crate) channels: ChannelRange,
    pub(crate) epilogue: &'a Epilogue,
}

impl StoreOutput for StorePixels<'_> {
    #[inline(always)]
    unsafe fn store_output<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block) {
        let BlockRange { first_row, rows, columns: chunks } = range;
        let width = S::F32_LANES;
        let ChannelRange { first, count } = self.channels;
        for row in 0..rows {
            let (image, y, x) = self.sink.shape.place(first_row + row);
            let pixel = self.sink.pixel(image, y, x);
            for chunk in chunks.0..chunks.1 {
                // SAFETY: the block holds this row and chunk; the pixel has its channels, and no
                // other task stores them.
                unsafe {
                    let value = load::<S>(block.at::<ROWS>(width, row, chunk));
                    let value = self.epilogue.apply(simd, value, chunk);
                    store_first(simd, pixel.add(first + chunk * width), count - chunk * width, value);
                }
            }
        }
    }
}

/// Adds up the patches that overlap in one line of the large map.
struct Col2im<'a> {
    product: Source<'a>,
    /// The image among the products, and what to add for the image in the large map.
    image: usize,
    first: usize,
    geometry: ConvGeometry,
    sink: Sink,
    channels: ChannelRange,
    y: usize,
    epilogue: &'a Epilogue,
}

impl SimdKernel for Col2im<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let Self { product, image, first, geometry, sink, channels, y, epilogue } = self;
        let ConvGeometry { kernel, stride, padding } = geometry;
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
                let patch = product.pixel(image, small_y as isize, small_x as isize);
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
        let pixel = sink.pixel(first + image, y, 0);
        if epilogue.is_identity() && count == sink.shape.channels {
            // SAFETY: a line of the sink, which this task alone writes.
            unsafe { std::ptr::copy_nonoverlapping(line.as_ptr(), pixel, line.len()) };
            return;
        }
        for (x, values) in line.chunks_exact(count).enumerate() {
            let pixel = sink.pixel(first + image, y, x);
            for chunk in 0..count.div_ceil(width) {
                let left = count - chunk * width;
                // SAFETY: the pixel has its channels, and this task alone writes its line.
                unsafe {
                    let value = load_first(simd, values.as_ptr().add(chunk * width), left);
                    let value = epilogue.apply(simd, value, chunk);
                    store_first(simd, pixel.add(channels.first + chunk * width), left, value);
                }
            }
        }
    }
}
