//! Winograd's minimal filtering for 4x4 kernels of stride 2: 9 products where the reference has 16.
//!
//! A 4x4 convolution of stride 2 is the sum of four 2x2 convolutions of stride 1, one for each parity of row
//! and column. Two outputs of a 2-tap filter need three products, not four:
//!
//! ```text
//! y0 = d0 g0 + d1 g1    m0 = (d0 - d1) g0    y0 = m0 + m1
//! y1 = d1 g0 + d2 g1    m1 = d1 (g0 + g1)    y1 = m1 + m2
//!                       m2 = (d2 - d1) g1
//! ```
//!
//! In two dimensions 9 for 16, with no factor but 1 in any transform, so rounding stays what it was (Lavin
//! and Gray, "Fast algorithms for convolutional neural networks", F(2x2, 2x2)). Rows of the products are
//! tiles of 2x2 outputs, planes are the nine `m`, the sum runs over channels and parities. The transposed
//! convolution of stride 2 is four such 2x2 convolutions, one for each parity of the *output*; the gradient
//! of the weights is the same algorithm transposed.

use pulp::Simd;
use rayon::prelude::*;

use super::winograd_weights::{PARITIES, PLANES, TAPS, filter_transform};
use crate::{
    cpu::{
        buffer::SharedMut,
        feature_map::{Shape, Sink, Source},
        gemm::{Block, BlockRange, PackInput, PackedMatrix, StoreOutput, gemm},
        gemm_tn::{TnProduct, gemm_tn},
        pointwise::Epilogue,
        simd::{SimdKernel, TransposeTile, dispatch, load, load_first, store, store_first},
    },
    layer::ConvKind,
};

/// Outputs of a tile along one side.
const TILE: usize = 2;

/// Tiles that cover a map of outputs.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    rows: usize,
    columns: usize,
    pub(crate) all: usize,
}

impl Tiles {
    pub(crate) fn covering(small: Shape) -> Self {
        let (rows, columns) = (small.height.div_ceil(TILE), small.width.div_ceil(TILE));
        Self { rows, columns, all: small.batch * rows * columns }
    }

    /// Image, row and column of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        (tile / (self.rows * self.columns), tile / self.columns % self.rows, tile % self.columns)
    }
}

/// From one map to the other, through weights that were packed for this kind of convolution.
pub(crate) fn forward(
    kind: ConvKind,
    from: Source<'_>,
    weights: &[PackedMatrix],
    to: Sink,
    epilogue: &Epilogue,
) {
    match kind {
        ConvKind::Conv2d => conv2d(from, &weights[0], to, epilogue),
        ConvKind::ConvTranspose2d => conv_transpose2d(from, weights, to, epilogue),
    }
}

/// Convolution of stride 2: the large map becomes the small one.
fn conv2d(large: Source<'_>, weights: &PackedMatrix, small: Sink, epilogue: &Epilogue) {
    let tiles = Tiles::covering(small.shape);
    let outputs = StoreOutputTiles { sink: small, tiles, step: 1, origin: [0, 0], epilogue };
    gemm(tiles.all, &PackInputTiles::of_convolution(large, tiles), weights, &outputs);
}

/// Transposed convolution of stride 2: the small map becomes the large one.
fn conv_transpose2d(small: Source<'_>, weights: &[PackedMatrix], large: Sink, epilogue: &Epilogue) {
    let tiles = Tiles::covering(small.shape);
    for (weights, origin) in weights.iter().zip(PARITIES) {
        let outputs = StoreOutputTiles { sink: large, tiles, step: 2, origin, epilogue };
        gemm(tiles.all, &PackInputTiles::of_parity(small, tiles, origin), weights, &outputs);
    }
}

/// Gradient of the weights: what each tap of [`conv2d`] contributed to a small map with this gradient.
pub(crate) fn weight_gradient(large: Source<'_>, small: Source<'_>, gradient: &mut [f32]) {
    let tiles = Tiles::covering(small.shape);
    let channels = [small.shape.channels, large.shape.channels];
    assert_eq!(gradient.len(), channels[0] * channels[1] * TAPS, "4x4 filters of {channels:?} channels");
    let gradient = SharedMut::new(gradient);
    let sums = gemm_tn(
        tiles.all,
        PLANES,
        &PackInputTiles::of_convolution(large, tiles),
        &PackGradTiles { source: small, tiles },
    );
    let tasks = sums.outer * channels[1];
    (0..tasks).into_par_iter().with_min_len(16).for_each(|task| {
        let (chunk, q) = (task % sums.outer, task / sums.outer);
        dispatch(GradientKernel { sums: &sums, gradient, channels, chunk, q });
    });
}

/// Turns the sums of one channel of the large map and one chunk of the small one's into taps.
struct GradientKernel<'a> {
    sums: &'a TnProduct,
    /// `[small, large, 4, 4]`
    gradient: SharedMut,
    channels: [usize; 2],
    chunk: usize,
    q: usize,
}

impl SimdKernel for GradientKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let mut taps = [simd.splat_f32s(0.0); TAPS];
        for (parity, [row, column]) in PARITIES.into_iter().enumerate() {
            let k = (self.q / width * 4 + parity) * width + self.q % width;
            let mut u = [[simd.splat_f32s(0.0); 3]; 3];
            for (y, values) in u.iter_mut().enumerate() {
                for (x, value) in values.iter_mut().enumerate() {
                    // SAFETY: the slice is one register.
                    *value = unsafe { load::<S>(self.sums.row(3 * y + x, k, self.chunk).as_ptr()) };
                }
            }
            for (y, values) in output_transform(simd, u).into_iter().enumerate() {
                for (x, value) in values.into_iter().enumerate() {
                    taps[(2 * y + row) * 4 + 2 * x + column] = value;
                }
            }
        }
        let mut square = TransposeTile::ZEROS;
        for (tap, values) in taps.into_iter().enumerate() {
            square.set_column::<S>(tap, values);
        }
        let [small, large] = self.channels;
        let first = self.chunk * width;
        for lane in 0..width.min(small - first) {
            // SAFETY: a filter of these channels, which this task alone writes.
            let filter = unsafe {
                let at = ((first + lane) * large + self.q) * TAPS;
                std::slice::from_raw_parts_mut(self.gradient.add(at), TAPS)
            };
            square.put_row(lane, filter);
        }
    }
}

/// Reads 3x3 windows with a stride, one for each origin, and transforms them.
struct PackInputTiles<'a, const ORIGINS: usize> {
    source: Source<'a>,
    tiles: Tiles,
    /// Pixels from tile to tile, and from tap to tap.
    steps: [isize; 2],
    /// First row and column of the window of tile (0, 0).
    origins: [[isize; 2]; ORIGINS],
}

impl<'a> PackInputTiles<'a, 4> {
    /// The windows of a convolution of stride 2 and padding 1: four parities.
    fn of_convolution(source: Source<'a>, tiles: Tiles) -> Self {
        let origins = PARITIES.map(|[row, column]| [row as isize - 1, column as isize - 1]);
        Self { source, tiles, steps: [4, 2], origins }
    }
}

impl<'a> PackInputTiles<'a, 1> {
    /// The windows behind the outputs of one parity of a transposed convolution.
    fn of_parity(source: Source<'a>, tiles: Tiles, [row, column]: [usize; 2]) -> Self {
        Self { source, tiles, steps: [2, 1], origins: [[row as isize - 1, column as isize - 1]] }
    }
}

impl<const ORIGINS: usize> PackInput for PackInputTiles<'_, ORIGINS> {
    fn unit(&self) -> usize {
        ORIGINS
    }

    fn channels(&self) -> usize {
        self.source.shape.channels
    }

    #[inline(always)]
    unsafe fn pack<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block) {
        let BlockRange { first_row, rows, columns: units } = range;
        let width = S::F32_LANES;
        let channels = self.source.shape.channels;
        for row in 0..rows {
            let (image, tile_row, tile_column) = self.tiles.place(first_row + row);
            for (origin, [top, left]) in self.origins.iter().enumerate() {
                let top = tile_row as isize * self.steps[0] + top;
                let left = tile_column as isize * self.steps[0] + left;
                let pixels = self.source.grid(image, [top, left], self.steps[1]);
                for unit in units.0..units.1 {
                    // SAFETY: each pixel has its channels; the block has room for this row and unit.
                    unsafe {
                        let d = read::<S, 3>(simd, &pixels, unit, channels);
                        let to = block.at::<ROWS>(width, row, (unit - units.0) * ORIGINS + origin);
                        input_transform(simd, d, to, block.plane);
                    }
                }
            }
        }
    }
}

/// Reads 2x2 tiles and spreads each over its nine products: `A y A^T`.
struct PackGradTiles<'a> {
    source: Source<'a>,
    tiles: Tiles,
}

impl PackInput for PackGradTiles<'_> {
    fn channels(&self) -> usize {
        self.source.shape.channels
    }

    #[inline(always)]
    unsafe fn pack<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block) {
        let BlockRange { first_row, rows, columns: units } = range;
        let width = S::F32_LANES;
        for row in 0..rows {
            let (image, tile_row, tile_column) = self.tiles.place(first_row + row);
            let corner = [(tile_row * TILE) as isize, (tile_column * TILE) as isize];
            let tile = self.source.grid(image, corner, 1);
            for unit in units.0..units.1 {
                // SAFETY: each pixel has its channels; the block has room for this row and unit.
                unsafe {
                    let values = read::<S, TILE>(simd, &tile, unit, self.source.shape.channels);
                    let planes = filter_transform(simd, values);
                    let to = block.at::<ROWS>(width, row, unit - units.0);
                    for (plane, value) in planes.into_iter().enumerate() {
                        store::<S>(to.add(plane * block.plane), value);
                    }
                }
            }
        }
    }
}

/// One register of each pixel's channels, zeros where the pixel is null: outside the image.
///
/// # Safety
/// Each pixel must have `channels` values.
#[inline(always)]
unsafe fn read<S: Simd, const SIDE: usize>(
    simd: S,
    pixels: &[[*const f32; SIDE]; SIDE],
    chunk: usize,
    channels: usize,
) -> [[S::f32s; SIDE]; SIDE] {
    let mut values = [[simd.splat_f32s(0.0); SIDE]; SIDE];
    let first = chunk * S::F32_LANES;
    for (values, pixels) in values.iter_mut().zip(pixels) {
        for (value, pixel) in values.iter_mut().zip(pixels) {
            if !pixel.is_null() {
                // SAFETY: the caller's promise.
                *value = unsafe { load_first(simd, pixel.add(first), channels - first) };
            }
        }
    }
    values
}

/// Turns nine products into 2x2 outputs and writes them, with a step between pixels.
struct StoreOutputTiles<'a> {
    sink: Sink,
    tiles: Tiles,
    /// Pixels from output to output, and the first one.
    step: usize,
    origin: [usize; 2],
    epilogue: &'a Epilogue,
}

impl StoreOutput for StoreOutputTiles<'_> {
    #[inline(always)]
    unsafe fn store_output<S: Simd, const ROWS: usize>(&self, simd: S, range: BlockRange, block: Block) {
        let BlockRange { first_row, rows, columns: chunks } = range;
        let width = S::F32_LANES;
        let channels = self.sink.shape.channels;
        for row in 0..rows {
            let (image, tile_row, tile_column) = self.tiles.place(first_row + row);
            let mut outputs = [[std::ptr::null_mut(); TILE]; TILE];
            for (y, pixels) in outputs.iter_mut().enumerate() {
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let y = (tile_row * TILE + y) * self.step + self.origin[0];
                    let x = (tile_column * TILE + x) * self.step + self.origin[1];
                    *pixel = self.sink.pixel(image, y, x);
                }
            }
            for chunk in chunks.0..chunks.1 {
                // SAFETY: the block holds nine planes of this row and chunk; each pixel has
                // `channels` values from its pointer on, and no other task stores them.
                unsafe {
                    let from = block.at::<ROWS>(width, row, chunk);
                    let mut m = [[simd.splat_f32s(0.0); 3]; 3];
                    for (y, row) in m.iter_mut().enumerate() {
                        for (x, value) in row.iter_mut().enumerate() {
                            *value = load::<S>(from.add((3 * y + x) * block.plane));
                        }
                    }
                    let values = output_transform(simd, m);
                    for (pixels, values) in outputs.iter().zip(values) {
                        for (pixel, value) in pixels.iter().zip(values) {
                            if !pixel.is_null() {
                                let value = self.epilogue.apply(simd, value, chunk);
                                store_first(simd, pixel.add(chunk * width), channels - chunk * width, value);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `B^T d B`, each element to its plane.
///
/// # Safety
/// `to` must be valid for one register in each of nine planes.
#[inline(always)]
unsafe fn input_transform<S: Simd>(simd: S, d: [[S::f32s; 3]; 3], to: *mut f32, plane: usize) {
    let [top, middle, bottom] = d;
    let (mut above, mut below) = (top, bottom);
    for x in 0..3 {
        above[x] = simd.sub_f32s(top[x], middle[x]);
        below[x] = simd.sub_f32s(bottom[x], middle[x]);
    }
    for (y, [left, center, right]) in [above, middle, below].into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            store::<S>(to.add((3 * y) * plane), simd.sub_f32s(left, center));
            store::<S>(to.add((3 * y + 1) * plane), center);
            store::<S>(to.add((3 * y + 2) * plane), simd.sub_f32s(right, center));
        }
    }
}

/// `A^T m A`.
#[inline(always)]
fn output_transform<S: Simd>(simd: S, m: [[S::f32s; 3]; 3]) -> [[S::f32s; 2]; 2] {
    let [top, middle, bottom] = m;
    let (mut above, mut below) = (top, bottom);
    for x in 0..3 {
        above[x] = simd.add_f32s(top[x], middle[x]);
        below[x] = simd.add_f32s(middle[x], bottom[x]);
    }
    let [a, b, c] = above;
    let [d, e, f] = below;
    [[simd.add_f32s(a, b), simd.add_f32s(b, c)], [simd.add_f32s(d, e), simd.add_f32s(e, f)]]
}
