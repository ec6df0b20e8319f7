//! Winograd's minimal filtering for 4x4 kernels of stride 2: 9 products where the plain form has 16.
//!
//! A 4x4 convolution of stride 2 is the sum of four 2x2 convolutions of stride 1, one for each parity
//! of row and column. Two outputs of a 2-tap filter need three products, not four:
//!
//! ```text
//! y0 = d0 g0 + d1 g1    m0 = (d0 - d1) g0    y0 = m0 + m1
//! y1 = d1 g0 + d2 g1    m1 = d1 (g0 + g1)    y1 = m1 + m2
//!                       m2 = (d2 - d1) g1
//! ```
//!
//! In two dimensions 9 for 16, with no factor but 1 in any transform, so rounding stays what it was
//! (Lavin and Gray, "Fast algorithms for convolutional neural networks", F(2x2, 2x2)). Rows of the
//! products are tiles of 2x2 outputs, planes are the nine `m`, the sum runs over channels and
//! parities. The up-convolution of stride 2 is four such 2x2 convolutions, one for each parity of the
//! *result*; the gradient of the weights is the same algorithm transposed.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    engine::{self, Block, Deliver, Gather, Rows},
    finish::Finish,
    lanes::{Lanes, Task, dispatch, load, load_first, store, store_first},
    map::{Shape, Sink, Source},
    outer::{self, Sums},
    weights::{Kernels, KernelsMut, Packed, PackedMut},
};

/// Products for a tile of 2x2 outputs.
pub(crate) const PLANES: usize = 9;

/// Outputs of a tile along one side.
const TILE: usize = 2;

/// The four parities (row, column).
const PARITIES: [[usize; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

/// Tiles that cover a map of outputs.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    pub(crate) down: usize,
    pub(crate) across: usize,
    pub(crate) all: usize,
}

impl Tiles {
    pub(crate) fn covering(small: Shape) -> Self {
        let (down, across) = (small.height.div_ceil(TILE), small.width.div_ceil(TILE));
        Self { down, across, all: small.batch * down * across }
    }

    /// Picture, row and column of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        (tile / (self.down * self.across), tile / self.across % self.down, tile % self.across)
    }
}

/// Reads 3x3 windows with a stride, one for each origin, and transforms them.
pub(crate) struct Windows<'a, const ORIGINS: usize> {
    pub(crate) source: Source<'a>,
    pub(crate) tiles: Tiles,
    /// Pixels from tile to tile, and from tap to tap.
    pub(crate) steps: [isize; 2],
    /// First row and column of each window of tile (0, 0).
    pub(crate) origins: [[isize; 2]; ORIGINS],
}

impl<'a> Windows<'a, 4> {
    /// The windows of a convolution of stride 2 and padding 1: four parities.
    pub(crate) fn of_convolution(source: Source<'a>, tiles: Tiles) -> Self {
        let origins = PARITIES.map(|[row, column]| [row as isize - 1, column as isize - 1]);
        Self { source, tiles, steps: [4, 2], origins }
    }
}

impl<'a> Windows<'a, 1> {
    /// The windows behind the outputs of one parity of an up-convolution.
    fn of_parity(source: Source<'a>, tiles: Tiles, [row, column]: [usize; 2]) -> Self {
        Self { source, tiles, steps: [2, 1], origins: [[row as isize - 1, column as isize - 1]] }
    }
}

impl<const ORIGINS: usize> Gather for Windows<'_, ORIGINS> {
    fn unit(&self) -> usize {
        ORIGINS
    }

    fn channels(&self) -> usize {
        self.source.shape.channels
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
        let channels = self.source.shape.channels;
        for row in 0..rows.count {
            let (picture, tile_row, tile_column) = self.tiles.place(rows.first + row);
            for (origin, [top, left]) in self.origins.iter().enumerate() {
                let top = tile_row as isize * self.steps[0] + top;
                let left = tile_column as isize * self.steps[0] + left;
                let mut window = [[std::ptr::null(); 3]; 3];
                for (y, pixels) in window.iter_mut().enumerate() {
                    for (x, pixel) in pixels.iter_mut().enumerate() {
                        let (y, x) = (y as isize * self.steps[1], x as isize * self.steps[1]);
                        *pixel = self.source.pixel(picture, top + y, left + x);
                    }
                }
                for unit in units.0..units.1 {
                    // SAFETY: each pixel has its channels; the block has room for this row and unit.
                    unsafe {
                        let mut d = [[simd.splat_f32s(0.0); 3]; 3];
                        for (d, pixels) in d.iter_mut().zip(window) {
                            for (d, pixel) in d.iter_mut().zip(pixels) {
                                *d = read(simd, pixel, unit, channels);
                            }
                        }
                        let to = block.at::<ROWS>(width, row, (unit - units.0) * ORIGINS + origin);
                        transform(simd, d, to, block.plane);
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
unsafe fn transform<S: Simd>(simd: S, d: [[S::f32s; 3]; 3], to: *mut f32, plane: usize) {
    let [top, middle, bottom] = d;
    let (mut above, mut below) = (top, bottom);
    for x in 0..3 {
        above[x] = simd.sub_f32s(top[x], middle[x]);
        below[x] = simd.sub_f32s(bottom[x], middle[x]);
    }
    for (y, [left, centre, right]) in [above, middle, below].into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            store::<S>(to.add((3 * y) * plane), simd.sub_f32s(left, centre));
            store::<S>(to.add((3 * y + 1) * plane), centre);
            store::<S>(to.add((3 * y + 2) * plane), simd.sub_f32s(right, centre));
        }
    }
}

/// Turns nine products into 2x2 outputs and writes them, with a step between pixels.
struct Outputs<'a> {
    sink: Sink,
    tiles: Tiles,
    /// Pixels from output to output, and the first one.
    step: usize,
    origin: [usize; 2],
    finish: &'a Finish,
}

impl Deliver for Outputs<'_> {
    #[inline(always)]
    unsafe fn deliver<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        chunks: (usize, usize),
        block: Block,
    ) {
        let width = S::F32_LANES;
        let channels = self.sink.shape.channels;
        for row in 0..rows.count {
            let (picture, tile_row, tile_column) = self.tiles.place(rows.first + row);
            let mut outputs = [[std::ptr::null_mut(); TILE]; TILE];
            for (y, pixels) in outputs.iter_mut().enumerate() {
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let y = (tile_row * TILE + y) * self.step + self.origin[0];
                    let x = (tile_column * TILE + x) * self.step + self.origin[1];
                    *pixel = self.sink.pixel(picture, y, x);
                }
            }
            for chunk in chunks.0..chunks.1 {
                // SAFETY: the block holds nine planes of this row and chunk; each pixel has
                // `channels` values from its pointer on, and no other task delivers them.
                unsafe {
                    let from = block.at::<ROWS>(width, row, chunk);
                    let mut m = [[simd.splat_f32s(0.0); 3]; 3];
                    for (y, row) in m.iter_mut().enumerate() {
                        for (x, value) in row.iter_mut().enumerate() {
                            *value = load::<S>(from.add((3 * y + x) * block.plane));
                        }
                    }
                    let values = fold(simd, m);
                    for (pixels, values) in outputs.iter().zip(values) {
                        for (pixel, value) in pixels.iter().zip(values) {
                            if !pixel.is_null() {
                                let value = self.finish.apply(simd, value, chunk);
                                store_first(simd, pixel.add(chunk * width), channels - chunk * width, value);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `A^T m A`.
#[inline(always)]
fn fold<S: Simd>(simd: S, m: [[S::f32s; 3]; 3]) -> [[S::f32s; 2]; 2] {
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

/// Weights of a convolution, transformed: the sum runs over the channels of the large map, four
/// parities to a chunk.
pub(crate) fn pack_down(kernels: Kernels<'_>) -> Packed {
    let [small, large] = kernels.channels;
    let lanes = Lanes::detect();
    let mut packed = Packed::new(PLANES, [lanes.chunks(large) * 4, lanes.chunks(small)], large);
    let into = packed.writer();
    (0..into.shape.outer).into_par_iter().for_each(|chunk| dispatch(PackDown { kernels, chunk, into }));
    packed
}

struct PackDown<'a> {
    kernels: Kernels<'a>,
    chunk: usize,
    into: PackedMut,
}

impl Task for PackDown<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        for q in 0..self.kernels.channels[1] {
            let taps = self.kernels.across_small(simd, self.chunk * width, q);
            for (parity, [row, column]) in PARITIES.into_iter().enumerate() {
                let first = 4 * row + column;
                let g = filter(simd, [[taps[first], taps[first + 2]], [taps[first + 8], taps[first + 10]]]);
                let k = (q / width * 4 + parity) * width + q % width;
                for (plane, value) in g.into_iter().enumerate() {
                    // SAFETY: this task alone writes this chunk of columns.
                    unsafe { store::<S>(self.into.at(plane, k, self.chunk), value) }
                }
            }
        }
    }
}

/// Weights of an up-convolution, transformed, one set for each parity of the result.
pub(crate) fn pack_up(kernels: Kernels<'_>) -> [Packed; 4] {
    let [small, large] = kernels.channels;
    let lanes = Lanes::detect();
    let mut packed = PARITIES.map(|_| Packed::new(PLANES, [lanes.chunks(small), lanes.chunks(large)], small));
    let into = packed.each_mut().map(Packed::writer);
    (0..lanes.chunks(large)).into_par_iter().for_each(|chunk| dispatch(PackUp { kernels, chunk, into }));
    packed
}

struct PackUp<'a> {
    kernels: Kernels<'a>,
    chunk: usize,
    into: [PackedMut; 4],
}

impl Task for PackUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        for p in 0..self.kernels.channels[0] {
            let taps = self.kernels.across_large(simd, p, self.chunk * S::F32_LANES);
            for (into, [row, column]) in self.into.iter().zip(PARITIES) {
                // Even rows hear of taps 3 and 1, odd rows of taps 2 and 0.
                let last = 4 * (3 - row) + 3 - column;
                let g = filter(simd, [[taps[last], taps[last - 2]], [taps[last - 8], taps[last - 10]]]);
                for (plane, value) in g.into_iter().enumerate() {
                    // SAFETY: this task alone writes this chunk of columns.
                    unsafe { store::<S>(into.at(plane, p, self.chunk), value) }
                }
            }
        }
    }
}

/// `G g G^T`, which is also `A y A^T`.
#[inline(always)]
fn filter<S: Simd>(simd: S, [[a, b], [c, d]]: [[S::f32s; 2]; 2]) -> [S::f32s; PLANES] {
    let (left, right) = (simd.add_f32s(a, c), simd.add_f32s(b, d));
    [a, simd.add_f32s(a, b), b, left, simd.add_f32s(left, right), right, c, simd.add_f32s(c, d), d]
}

/// Convolution of stride 2: the large map becomes the small one.
pub(crate) fn down(large: Source<'_>, weights: &Packed, small: Sink, finish: &Finish) {
    let tiles = Tiles::covering(small.shape);
    let outputs = Outputs { sink: small, tiles, step: 1, origin: [0, 0], finish };
    engine::run(tiles.all, &Windows::of_convolution(large, tiles), weights, &outputs);
}

/// Up-convolution of stride 2, the transposed of [`down`]: the small map becomes the large one.
pub(crate) fn up(small: Source<'_>, weights: &[Packed; 4], large: Sink, finish: &Finish) {
    let tiles = Tiles::covering(small.shape);
    for (weights, origin) in weights.iter().zip(PARITIES) {
        let outputs = Outputs { sink: large, tiles, step: 2, origin, finish };
        engine::run(tiles.all, &Windows::of_parity(small, tiles, origin), weights, &outputs);
    }
}

/// Gradient of the weights: what each tap of [`down`] contributed to a small map with this gradient.
pub(crate) fn weight_gradient(large: Source<'_>, small: Source<'_>, gradient: KernelsMut<'_>) {
    let tiles = Tiles::covering(small.shape);
    let sums = outer::run(
        tiles.all,
        PLANES,
        &Windows::of_convolution(large, tiles),
        &Spread { source: small, tiles },
    );
    let tasks = sums.outer * gradient.channels[1];
    (0..tasks).into_par_iter().with_min_len(16).for_each(|task| {
        let (chunk, q) = (task % sums.outer, task / sums.outer);
        dispatch(Collect { sums: &sums, gradient, chunk, q });
    });
}

/// Reads 2x2 tiles and spreads each over its nine products: `A y A^T`.
struct Spread<'a> {
    source: Source<'a>,
    tiles: Tiles,
}

impl Gather for Spread<'_> {
    fn unit(&self) -> usize {
        1
    }

    fn channels(&self) -> usize {
        self.source.shape.channels
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
        for row in 0..rows.count {
            let (picture, tile_row, tile_column) = self.tiles.place(rows.first + row);
            let mut tile = [[std::ptr::null(); TILE]; TILE];
            for (y, pixels) in tile.iter_mut().enumerate() {
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let (y, x) = (tile_row * TILE + y, tile_column * TILE + x);
                    *pixel = self.source.pixel(picture, y as isize, x as isize);
                }
            }
            for unit in units.0..units.1 {
                // SAFETY: each pixel has its channels; the block has room for this row and unit.
                unsafe {
                    let mut values = [[simd.splat_f32s(0.0); TILE]; TILE];
                    for (values, pixels) in values.iter_mut().zip(tile) {
                        for (value, pixel) in values.iter_mut().zip(pixels) {
                            *value = read(simd, pixel, unit, self.source.shape.channels);
                        }
                    }
                    let planes = filter(simd, values);
                    let to = block.at::<ROWS>(width, row, unit - units.0);
                    for (plane, value) in planes.into_iter().enumerate() {
                        store::<S>(to.add(plane * block.plane), value);
                    }
                }
            }
        }
    }
}

/// One register of a pixel's channels, zeros where the pixel is null: outside the picture.
///
/// # Safety
/// A pixel must have `channels` values.
#[inline(always)]
unsafe fn read<S: Simd>(simd: S, pixel: *const f32, chunk: usize, channels: usize) -> S::f32s {
    if pixel.is_null() {
        return simd.splat_f32s(0.0);
    }
    // SAFETY: the caller's promise.
    unsafe { load_first(simd, pixel.add(chunk * S::F32_LANES), channels - chunk * S::F32_LANES) }
}

/// Turns the sums of one channel of the large map and one chunk of the small one's into taps.
struct Collect<'a> {
    sums: &'a Sums,
    gradient: KernelsMut<'a>,
    chunk: usize,
    q: usize,
}

impl Task for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let width = S::F32_LANES;
        let mut taps = [simd.splat_f32s(0.0); 16];
        for (parity, [row, column]) in PARITIES.into_iter().enumerate() {
            let k = (self.q / width * 4 + parity) * width + self.q % width;
            let mut u = [[simd.splat_f32s(0.0); 3]; 3];
            for (y, values) in u.iter_mut().enumerate() {
                for (x, value) in values.iter_mut().enumerate() {
                    // SAFETY: the slice is one register.
                    *value = unsafe { load::<S>(self.sums.row(3 * y + x, k, self.chunk).as_ptr()) };
                }
            }
            for (y, values) in fold(simd, u).into_iter().enumerate() {
                for (x, value) in values.into_iter().enumerate() {
                    taps[(2 * y + row) * 4 + 2 * x + column] = value;
                }
            }
        }
        // SAFETY: this task alone writes these kernels.
        unsafe { self.gradient.set_across_small::<S>(self.chunk * width, self.q, taps) }
    }
}
