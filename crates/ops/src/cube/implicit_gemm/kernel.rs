//! The kernel.
//!
//! A cube computes one block of the result. Its units read the next tile of both factors into registers,
//! multiply the tile that lies in shared memory, and store what they read into the other half of it. Each
//! plane multiplies its part of the block with `mma` instructions of 16 x 8 results.
//!
//! What is staged are words of 32 bits: one value of TF32, or two values of 16 bits that are neighbours in
//! depth. So both have the same layout, which is that of the instructions' registers: a lane holds rows `lane
//! / 4` and that plus 8, words `lane % 4` and that plus 4 of the left factor; the same words of column `lane
//! / 4` of the right one; columns `2 (lane % 4)` and the next of the sums.
//!
//! A factor is staged as its memory lies, so that both reading and staging move a quad of four words at once:
//! along its depth (a row or column after the other) or across it (a word of depth after the other, padded by
//! 8). The lanes of a plane write and read 32 different banks: along the depth, because the quads of a line
//! are permuted by its number.

use cubecl::{
    cmma::{MatrixIdent, MmaDefinition},
    prelude::*,
    std::FastDivmod,
};

/// Units of a plane.
pub(in crate::cube) const LANES: usize = 32;

/// Results of one instruction.
const TILE_ROWS: usize = 16;
const TILE_COLUMNS: usize = 8;

/// Words of depth that one instruction takes.
const TILE_WORDS: usize = 8;

/// Words that a unit reads and stages at once.
const QUAD: usize = 4;

/// More than any map is high.
const OUTSIDE: u32 = 1 << 30;

/// Which of a convolution's products is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cube) enum Pass {
    /// The small map from the large one and the weights: rows are its positions, depth is what the kernel
    /// covers.
    SmallMap,
    /// The large map from the small one and the weights: rows are its positions of one class, which are those
    /// that the same values of the kernel meet, depth are those values and the small map's channels.
    LargeMap,
    /// The gradient of the weights from the small and the large map: rows are the small map's channels, depth
    /// are its positions.
    WeightGradient,
}

/// How a result is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cube) struct Blocks {
    /// Results of a cube.
    pub(in crate::cube) rows: usize,
    pub(in crate::cube) columns: usize,
    /// Words of depth that are staged at once.
    pub(in crate::cube) words: usize,
    /// Planes of a cube, along rows and along columns.
    pub(in crate::cube) planes: [usize; 2],
}

impl Blocks {
    pub(in crate::cube) const fn units(self) -> usize {
        self.planes[0] * self.planes[1] * LANES
    }
}

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cube) struct Plan {
    pub(in crate::cube) pass: Pass,
    pub(in crate::cube) kernel: u32,
    pub(in crate::cube) stride: u32,
    pub(in crate::cube) padding: u32,
    pub(in crate::cube) blocks: Blocks,
    /// Values of a word.
    pub(in crate::cube) per_word: usize,
    /// Whether the map that the small one is computed from has four channels, as pictures with a fourth
    /// have, so that a tile of depth has several values of the kernel.
    pub(in crate::cube) is_picture: bool,
    /// Whether no block reaches over the last column; not asked for the gradient of weights.
    pub(in crate::cube) has_whole_columns: bool,
    /// Whether tiles of depth that are positions begin with a line or a share of it, so that the first of a
    /// tile says where all lie; asked for the gradient of weights alone.
    pub(in crate::cube) has_whole_lines: bool,
    /// Whether a bias is added.
    pub(in crate::cube) has_bias: bool,
    /// Without `mma` instructions, value by value: to compare the rest of the kernel where there are none.
    pub(in crate::cube) emulated: bool,
}

impl Plan {
    /// Whether the left factor's memory runs along its depth.
    fn a_is_deep(self) -> bool {
        self.pass != Pass::WeightGradient
    }

    fn b_is_deep(self) -> bool {
        self.pass == Pass::SmallMap
    }

    /// Values of depth that are staged at once.
    pub(in crate::cube) fn depth(self) -> usize {
        self.blocks.words * self.per_word
    }

    /// Classes of the large map's positions along each axis, which have kernels of their own.
    pub(in crate::cube) fn classes(self) -> u32 {
        if self.pass == Pass::LargeMap { self.stride } else { 1 }
    }

    fn a_stage(self) -> Stage {
        Stage { lines: self.blocks.rows, words: self.blocks.words, is_deep: self.a_is_deep() }
    }

    fn b_stage(self) -> Stage {
        Stage { lines: self.blocks.columns, words: self.blocks.words, is_deep: self.b_is_deep() }
    }

    /// This plan with less depth, where its stages take more than so many bytes.
    pub(in crate::cube) fn within(mut self, bytes: usize) -> Self {
        let size = |plan: Self| 2 * (plan.a_stage().size() + plan.b_stage().size()) * QUAD * size_of::<u32>();
        while size(self) > bytes && self.blocks.words > TILE_WORDS {
            self.blocks.words /= 2;
        }
        self
    }

    /// Quads of a stage that a unit reads.
    fn quads(self, stage: Stage) -> usize {
        stage.lines * stage.words / QUAD / self.blocks.units()
    }

    /// Tiles of a plane's part of the block.
    fn tiles(self) -> [usize; 2] {
        let Blocks { rows, columns, planes, .. } = self.blocks;
        [rows / planes[0] / TILE_ROWS, columns / planes[1] / TILE_COLUMNS]
    }
}

/// How a factor's tile lies in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stage {
    /// Rows or columns of the result.
    lines: usize,
    /// Words of depth.
    words: usize,
    /// Whether memory runs along the depth.
    is_deep: bool,
}

impl Stage {
    /// Quads that lie side by side.
    fn quads_of_run(self) -> u32 {
        (if self.is_deep { self.words } else { self.lines } / QUAD) as u32
    }

    /// Quads from one run to the next.
    fn stride(self) -> u32 {
        self.quads_of_run() + if self.is_deep { 0 } else { 2 }
    }

    /// Quads in all.
    fn size(self) -> usize {
        self.stride() as usize * if self.is_deep { self.lines } else { self.words }
    }

    /// Lines whose quads fill all banks.
    fn lines_of_banks(self) -> u32 {
        8 / self.quads_of_run()
    }
}

/// What changes from layer to layer without another kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(in crate::cube) struct Extents {
    /// Of the result.
    rows: u32,
    columns: u32,
    /// Of depth: in all, and of one part of the sum.
    tiles: u32,
    tiles_of_part: u32,
    /// Lines and columns of the map whose positions are rows, or depth.
    lines: FastDivmod<u32>,
    line: FastDivmod<u32>,
    /// Channels that one value of the kernel meets.
    tap_channels: FastDivmod<u32>,
    /// Of the map that is unfolded; channels in vectors.
    height: u32,
    width: u32,
    channels: u32,
    /// Vectors of a row of the factor that is not unfolded.
    row_vectors: u32,
    /// Values of depth; of the gradient of weights these are positions.
    positions: u32,
    /// Of the large map.
    out_height: u32,
    out_width: u32,
    /// The result is `max(x, negative_slope x)`.
    negative_slope: f32,
}

/// Where a unit reads a factor, for each of the quads that it stages; what lies outside is zero.
#[derive(CubeType)]
struct Reader {
    /// Vector of four values, before what all quads have in common is added.
    at: Array<u32>,
    /// Of an unfolded map: the values of the kernel that meet it ([`taps_inside`]), or its line. Of the
    /// small map in the gradient of weights: the position within the tile.
    y: Array<u32>,
    /// Of an unfolded map whose lines are in `y`: its column. Of other factors: not zero outside.
    x: Array<u32>,
}

/// Which of the stage's quads the unit's `i`-th is.
#[cube]
fn nth_quad(#[comptime] i: usize, #[comptime] plan: Plan) -> u32 {
    UNIT_POS_Y * comptime!(LANES as u32) + UNIT_POS_X + comptime!((i * plan.blocks.units()) as u32)
}

/// Line of the result and first word of depth of a quad, or the first line and the word.
#[cube]
fn place(quad: u32, #[comptime] stage: Stage) -> (u32, u32) {
    let across = quad / comptime!(stage.quads_of_run());
    let along = quad % comptime!(stage.quads_of_run()) * comptime!(QUAD as u32);
    if comptime!(stage.is_deep) { (across, along) } else { (along, across) }
}

/// Where a quad of a run is staged.
#[cube]
fn staged_at(run: u32, quad: u32, #[comptime] stage: Stage) -> u32 {
    let quad = if comptime!(stage.is_deep) {
        quad ^ (run / comptime!(stage.lines_of_banks()) % comptime!(stage.quads_of_run()))
    } else {
        quad
    };
    run * comptime!(stage.stride()) + quad
}

/// The depth of a word's first value within its tile. Of two values a word, a quad takes one vector from each
/// half of the tile, so that neighbouring lanes read neighbouring vectors.
#[cube]
fn depth_of(word: u32, #[comptime] plan: Plan) -> u32 {
    if comptime!(plan.per_word == 1) {
        word
    } else {
        let (quad, rank) = (word / comptime!(QUAD as u32), word % comptime!(QUAD as u32));
        rank / 2 * comptime!(plan.blocks.words as u32) + quad * 4 + rank % 2 * 2
    }
}

/// The first line of the large map in a class, and the small map's last line that meets it.
#[cube]
fn first_of_class(class: u32, #[comptime] plan: Plan) -> (u32, u32) {
    let stride = comptime!(plan.stride);
    let line = (class + comptime!(plan.stride - plan.padding % plan.stride)) % stride;
    (line, (line + comptime!(plan.padding) - class) / stride)
}

#[cube]
fn a_reader(extents: Extents, first: u32, class: (u32, u32), #[comptime] plan: Plan) -> Reader {
    let stage = comptime!(plan.a_stage());
    let quads = comptime!(plan.quads(stage));
    let mut reader = Reader { at: Array::new(quads), y: Array::new(quads), x: Array::new(quads) };
    #[unroll]
    for i in 0..quads {
        let (line, word) = place(nth_quad(i, plan), stage);
        let row = first + line;
        if comptime!(plan.a_is_deep()) {
            let (rest, right) = extents.line.div_mod(row);
            let (image, down) = extents.lines.div_mod(rest);
            // Above and left of the map by up to the padding: numbers wrap, and come back.
            let (y, x) = if comptime!(plan.pass == Pass::SmallMap) {
                let (stride, padding) = comptime!((plan.stride, plan.padding));
                (down * stride - padding, right * stride - padding)
            } else {
                let (_, below) = first_of_class(class.0, plan);
                let (_, beside) = first_of_class(class.1, plan);
                (down + below, right + beside)
            };
            let pixel = (image * extents.height + y) * extents.width + x;
            if comptime!(plan.is_picture) {
                reader.at[i] = pixel;
            } else {
                reader.at[i] = pixel * extents.channels + word / 4;
            }
            reader.y[i] = select(row < extents.rows, taps_inside(y, x, extents, plan), 0u32);
        } else {
            let position = depth_of(word, plan);
            reader.at[i] = position * extents.row_vectors + row / 4;
            reader.y[i] = position;
            reader.x[i] = select(row < extents.rows, 0u32, comptime!(OUTSIDE));
        }
    }
    reader
}

/// The values of the kernel that meet the map and not its padding, each a bit, where `y` and `x` are what the
/// first of them meets.
#[cube]
fn taps_inside(y: u32, x: u32, extents: Extents, #[comptime] plan: Plan) -> u32 {
    let taps = comptime!(plan.kernel / plan.classes());
    let mut columns = 0u32;
    #[unroll]
    for tap in 0..taps {
        let column = if comptime!(plan.pass == Pass::SmallMap) { x + tap } else { x - tap };
        columns |= select(column < extents.width, comptime!(1u32 << tap), 0u32);
    }
    let mut inside = 0u32;
    #[unroll]
    for tap in 0..taps {
        let line = if comptime!(plan.pass == Pass::SmallMap) { y + tap } else { y - tap };
        inside |= select(line < extents.height, columns << comptime!(tap * taps), 0u32);
    }
    inside
}

#[cube]
fn b_reader(extents: Extents, first: u32, #[comptime] plan: Plan) -> Reader {
    let stage = comptime!(plan.b_stage());
    let quads = comptime!(plan.quads(stage));
    let mut reader = Reader { at: Array::new(quads), y: Array::new(quads), x: Array::new(quads) };
    #[unroll]
    for i in 0..quads {
        let (line, word) = place(nth_quad(i, plan), stage);
        let column = first + line;
        let is_inside = column < extents.columns;
        if comptime!(plan.pass == Pass::WeightGradient) {
            let (tap, channel) = extents.tap_channels.div_mod(column);
            let (kernel, stride, padding) = comptime!((plan.kernel, plan.stride, plan.padding));
            let mut y = tap / kernel - padding;
            let mut x = tap % kernel - padding;
            reader.at[i] = channel / 4;
            if comptime!(plan.has_whole_lines) {
                let (down, right) = extents.line.div_mod(depth_of(word, plan));
                y += down * stride;
                x += right * stride;
                reader.at[i] = (y * extents.width + x) * extents.channels + channel / 4;
            }
            reader.y[i] = select(is_inside, y, comptime!(OUTSIDE));
            reader.x[i] = x;
        } else {
            if comptime!(plan.b_is_deep()) {
                reader.at[i] = column * extents.row_vectors + word / 4;
            } else {
                reader.at[i] = depth_of(word, plan) * extents.row_vectors + column / 4;
            }
            reader.y[i] = 0u32;
            reader.x[i] = select(is_inside, 0u32, comptime!(OUTSIDE));
        }
    }
    reader
}

/// Reads a tile of both factors.
#[cube]
fn read<B: Numeric>(
    a: &Tensor<Vector<f32, Const<4>>>,
    b: &Tensor<Vector<B, Const<4>>>,
    a_reader: &Reader,
    b_reader: &Reader,
    a_next: &mut Array<Vector<f32, Const<4>>>,
    b_next: &mut Array<Vector<B, Const<4>>>,
    extents: Extents,
    tile: u32,
    class: (u32, u32),
    #[comptime] plan: Plan,
) {
    let per_word = comptime!(plan.per_word);
    let a_quads = comptime!(plan.quads(plan.a_stage()));
    let b_quads = comptime!(plan.quads(plan.b_stage()));
    let depth = tile * comptime!(plan.depth() as u32);
    if comptime!(plan.pass == Pass::WeightGradient) {
        let stride = comptime!(plan.stride);
        let (rest, right) = extents.line.div_mod(depth);
        let (image, down) = extents.lines.div_mod(rest);
        let first_pixel = (image * extents.height + down * stride) * extents.width + right * stride;
        #[unroll]
        for i in 0..a_quads {
            #[unroll]
            for p in 0..per_word {
                let offset = depth + comptime!(p as u32);
                let mut value = Vector::cast_from(0u32);
                if offset + a_reader.y[i] < extents.positions && a_reader.x[i] == 0 {
                    value = a[(a_reader.at[i] + offset * extents.row_vectors) as usize];
                }
                a_next[i * per_word + p] = value;
            }
        }
        #[unroll]
        for i in 0..b_quads {
            let (_, word) = place(nth_quad(i, plan), comptime!(plan.b_stage()));
            #[unroll]
            for p in 0..per_word {
                let position = depth + depth_of(word, plan) + comptime!(p as u32);
                let mut value = Vector::cast_from(0u32);
                if comptime!(plan.has_whole_lines) {
                    let y = down * stride + b_reader.y[i];
                    let x = right * stride + b_reader.x[i] + comptime!(p as u32 * stride);
                    if position < extents.positions && y < extents.height && x < extents.width {
                        let pixel = first_pixel + comptime!(p as u32 * stride);
                        value = b[(pixel * extents.channels + b_reader.at[i]) as usize];
                    }
                } else {
                    let (rest, right) = extents.line.div_mod(position);
                    let (image, down) = extents.lines.div_mod(rest);
                    let y = down * stride + b_reader.y[i];
                    let x = right * stride + b_reader.x[i];
                    if position < extents.positions && y < extents.height && x < extents.width {
                        let pixel = (image * extents.height + y) * extents.width + x;
                        value = b[(pixel * extents.channels + b_reader.at[i]) as usize];
                    }
                }
                b_next[i * per_word + p] = value;
            }
        }
    } else {
        // A tile lies within what one value of the kernel meets. Kernel values run faster than channels, so
        // that the map's pixels, which several of them meet, are still in the cache.
        let vectors = comptime!((plan.blocks.words / QUAD) as u32);
        let taps_of_line = comptime!(plan.kernel / plan.classes());
        let taps = comptime!(taps_of_line * taps_of_line);
        let (tap, channel) = (tile % taps, tile / taps * comptime!(plan.depth() as u32));
        let (down, right, b_step, b_value) = if comptime!(plan.pass == Pass::SmallMap) {
            let b_step =
                if comptime!(plan.is_picture) { depth / 4 } else { tap * extents.channels + channel / 4 };
            (tap / taps_of_line, tap % taps_of_line, b_step, vectors.runtime())
        } else {
            let (up, left) = (tap / taps_of_line, tap % taps_of_line);
            let line = class.0 + up * comptime!(plan.stride);
            let column = class.1 + left * comptime!(plan.stride);
            let columns = (line * comptime!(plan.kernel) + column) * extents.columns;
            (0u32 - up, 0u32 - left, channel * extents.row_vectors + columns / 4, extents.row_vectors)
        };
        let a_step = (down * extents.width + right) * extents.channels + channel / 4;
        let tap_bit = 1u32 << tap;
        #[unroll]
        for i in 0..a_quads {
            if comptime!(plan.is_picture) {
                let (_, word) = place(nth_quad(i, plan), comptime!(plan.a_stage()));
                #[unroll]
                for p in 0..per_word {
                    let tap = (depth + word) / 4 + comptime!(p as u32 * vectors);
                    let (down, right) = (tap / taps_of_line, tap % taps_of_line);
                    let mut value = Vector::cast_from(0u32);
                    if a_reader.y[i] >> tap & 1 == 1 {
                        value = a[(a_reader.at[i] + down * extents.width + right) as usize];
                    }
                    a_next[i * per_word + p] = value;
                }
            } else {
                let is_inside = a_reader.y[i] & tap_bit != 0;
                #[unroll]
                for p in 0..per_word {
                    let mut value = Vector::cast_from(0u32);
                    if is_inside {
                        value = a[(a_reader.at[i] + a_step + comptime!(p as u32 * vectors)) as usize];
                    }
                    a_next[i * per_word + p] = value;
                }
            }
        }
        // Quads of a unit are lines, or words, at equal distances.
        let b_first = b_reader.at[0] + b_step;
        let b_quad =
            extents.row_vectors * comptime!(plan.blocks.units() as u32 / plan.b_stage().quads_of_run());
        #[unroll]
        for i in 0..b_quads {
            #[unroll]
            for p in 0..per_word {
                let at = b_first + comptime!(i as u32) * b_quad + comptime!(p as u32) * b_value;
                if comptime!(plan.has_whole_columns) {
                    b_next[i * per_word + p] = b[at as usize];
                } else {
                    let mut value = Vector::cast_from(0u32);
                    if b_reader.x[i] == 0 {
                        value = b[at as usize];
                    }
                    b_next[i * per_word + p] = value;
                }
            }
        }
    }
}

/// Rounded to the 11 binary digits of TF32: adding so large a multiple leaves no more. Takes two instructions
/// where the conversion takes four. To nearest, but for numbers less than 2^-12 of their size below a power
/// of two, which may go down; at most 2^-11 of their size away. Not a number for infinity and from 2^114 on,
/// where the multiple may be too large.
#[cube]
fn to_tf32(value: f32) -> f32 {
    let large = comptime!((1u32 << 13) as f32);
    let sum = fma(value, large, value);
    fma(value, -large, sum)
}

/// Puts what was read into shared memory, `from` its first quad, in the type that is multiplied.
#[cube]
fn stage_quads<I: Numeric, S: Numeric, W: Size>(
    next: &Array<Vector<I, Const<4>>>,
    staged: &mut Shared<[Vector<S, W>]>,
    first: u32,
    #[comptime] stage: Stage,
    #[comptime] plan: Plan,
) {
    let per_word = comptime!(plan.per_word);
    #[unroll]
    for i in 0..comptime!(plan.quads(stage)) {
        let quad = nth_quad(i, plan);
        let (run, quad) = (quad / comptime!(stage.quads_of_run()), quad % comptime!(stage.quads_of_run()));
        let to = first + staged_at(run, quad, stage);
        let mut words = Vector::<S, W>::cast_from(0u32);
        #[unroll]
        for value in 0..comptime!(QUAD * per_word) {
            // Side by side in memory are values of one line's depth, or of one word's lines.
            let (vector, element) = comptime!(if stage.is_deep {
                (value / 4, value % 4)
            } else {
                (value % per_word, value / per_word)
            });
            let value_read = next[i * per_word + vector].extract(element);
            let value_staged = if comptime!(plan.per_word == 1 && !plan.emulated) {
                S::reinterpret(to_tf32(f32::cast_from(value_read)))
            } else {
                S::cast_from(value_read)
            };
            words.insert(value, value_staged);
        }
        staged[to as usize] = words;
    }
}

/// What a lane takes of a stage for the instructions of a tile: the words of rows or columns `lane / 4`,
/// `lane / 4 + 8`, ..., of words `lane % 4` and `lane % 4 + 4`. Here is what depends on the lane, so that the
/// rest is constant.
#[derive(CubeType)]
struct Lanes {
    /// Along the depth: the quads that lanes 0 to 7, 8 to 15, ... name, for each eight words of depth.
    quads: Array<usize>,
    /// Across it: the first word.
    word: usize,
}

#[cube]
fn lanes(first: u32, line: u32, #[comptime] is_row: bool, #[comptime] stage: Stage) -> Lanes {
    let steps = comptime!(stage.words / TILE_WORDS);
    let mut quads = Array::<usize>::new(steps);
    let lane = UNIT_POS_X;
    if comptime!(stage.is_deep) {
        // The four eights of an instruction: of a row's tile both halves of its rows before the second half
        // of its words; of columns' tiles the words first.
        let (line_half, word_half) =
            if comptime!(is_row) { (lane / 8 % 2, lane / 16) } else { (lane / 16, lane / 8 % 2) };
        let line = line + line_half * 8;
        #[unroll]
        for step in 0..steps {
            let quad = comptime!((step * TILE_WORDS / QUAD) as u32) + word_half;
            // `line` is a multiple of 8, after which the permutation repeats.
            quads[step] =
                (first + line * comptime!(stage.stride()) + staged_at(lane % 8, quad, stage)) as usize;
        }
    }
    let run = lane % 4;
    let word = (first + run * comptime!(stage.stride())) * comptime!(QUAD as u32) + line + lane / 4;
    Lanes { quads, word: word as usize }
}

/// Four words for each lane, the first of them that of the lanes' place, `line` a multiple of 8.
#[cube]
fn four_words<S: Numeric, W: Size, P: Size>(
    mma: MmaDefinition<S, S, f32>,
    staged: &Shared<[Vector<S, W>]>,
    lanes: &Lanes,
    #[comptime] step: usize,
    #[comptime] line: usize,
    #[comptime] is_row: bool,
    #[comptime] stage: Stage,
) -> Array<Vector<S, P>> {
    if comptime!(stage.is_deep) {
        let at = lanes.quads[step] + comptime!(line * stage.stride() as usize);
        mma.load_matrix::<Vector<S, W>, P>(&staged[at..at + 1], MatrixIdent::A, 4usize, false)
    } else {
        let stride = comptime!(stage.stride() as usize * QUAD);
        let words = staged.with_vector_size::<P>();
        let mut four = Array::<Vector<S, P>>::new(4usize);
        #[unroll]
        for rank in 0..4usize {
            let (line_half, word_half) =
                comptime!(if is_row { (rank % 2, rank / 2) } else { (rank / 2, rank % 2) });
            let offset = comptime!((step * TILE_WORDS + word_half * 4) * stride + line + line_half * 8);
            four[rank] = words[lanes.word + offset];
        }
        four
    }
}

/// Adds the product of a plane's parts of the staged tiles.
#[cube]
fn multiply<S: Numeric, W: Size, P: Size>(
    a_staged: &Shared<[Vector<S, W>]>,
    b_staged: &Shared<[Vector<S, W>]>,
    sums: &mut Array<Vector<f32, Const<2>>>,
    a_first: u32,
    b_first: u32,
    plane_row: u32,
    plane_column: u32,
    #[comptime] plan: Plan,
) {
    let (a_stage, b_stage) = comptime!((plan.a_stage(), plan.b_stage()));
    let row_tiles = comptime!(plan.tiles()[0]);
    let column_tiles = comptime!(plan.tiles()[1]);
    let mma = MmaDefinition::<S, S, f32>::new(TILE_ROWS, TILE_COLUMNS, comptime!(TILE_WORDS * plan.per_word));
    let rows = lanes(a_first, plane_row, true, a_stage);
    let columns = lanes(b_first, plane_column, false, b_stage);
    #[unroll]
    for step in 0..comptime!(plan.blocks.words / TILE_WORDS) {
        let mut b_words = Array::<Vector<S, P>>::new(comptime!(2 * column_tiles));
        #[unroll]
        for pair in 0..comptime!(column_tiles / 2) {
            let line = comptime!(pair * 2 * TILE_COLUMNS);
            let words = four_words::<S, W, P>(mma, b_staged, &columns, step, line, false, b_stage);
            #[unroll]
            for word in 0..4usize {
                b_words[4 * pair + word] = words[word];
            }
        }
        #[unroll]
        for i in 0..row_tiles {
            let line = comptime!(i * TILE_ROWS);
            let left = four_words::<S, W, P>(mma, a_staged, &rows, step, line, true, a_stage);
            #[unroll]
            for j in 0..column_tiles {
                let at = comptime!((i * column_tiles + j) * 2);
                let mut right = Array::<Vector<S, P>>::new(2usize);
                right[0] = b_words[2 * j];
                right[1] = b_words[2 * j + 1];
                let mut sum = Array::<Vector<f32, Const<2>>>::new(2usize);
                sum[0] = sums[at];
                sum[1] = sums[at + 1];
                mma.execute_inplace(&left, &right, &mut sum);
                sums[at] = sum[0];
                sums[at + 1] = sum[1];
            }
        }
    }
}

/// A word of a stage, value by value.
#[cube]
fn word_of<S: Numeric, W: Size, P: Size>(
    staged: &Shared<[Vector<S, W>]>,
    first: u32,
    line: u32,
    word: u32,
    #[comptime] stage: Stage,
    #[comptime] plan: Plan,
) -> Vector<S, P> {
    let (run, rank) = if comptime!(stage.is_deep) { (line, word) } else { (word, line) };
    let quad = staged[(first + staged_at(run, rank / comptime!(QUAD as u32), stage)) as usize];
    let mut value = Vector::<S, P>::cast_from(0u32);
    #[unroll]
    for p in 0..comptime!(plan.per_word) {
        let element = rank % comptime!(QUAD as u32) * comptime!(plan.per_word as u32) + comptime!(p as u32);
        value.insert(p, quad.extract_dynamic(element as usize));
    }
    value
}

/// [`multiply`] without `mma` instructions.
#[cube]
fn multiply_by_value<S: Numeric, W: Size, P: Size>(
    a_staged: &Shared<[Vector<S, W>]>,
    b_staged: &Shared<[Vector<S, W>]>,
    sums: &mut Array<Vector<f32, Const<2>>>,
    a_first: u32,
    b_first: u32,
    plane_row: u32,
    plane_column: u32,
    #[comptime] plan: Plan,
) {
    let (a_stage, b_stage) = comptime!((plan.a_stage(), plan.b_stage()));
    let row_tiles = comptime!(plan.tiles()[0]);
    let column_tiles = comptime!(plan.tiles()[1]);
    #[unroll]
    for i in 0..comptime!(2 * row_tiles) {
        #[unroll]
        for j in 0..column_tiles {
            let row = plane_row + comptime!((i * 8) as u32) + UNIT_POS_X / 4;
            let column = plane_column + comptime!((j * TILE_COLUMNS) as u32) + UNIT_POS_X % 4 * 2;
            let at = comptime!((i / 2 * column_tiles + j) * 2 + i % 2);
            for word in 0..comptime!(plan.blocks.words as u32) {
                let a = word_of::<S, W, P>(a_staged, a_first, row, word, a_stage, plan);
                let mut sum = sums[at];
                #[unroll]
                for side in 0..2usize {
                    let column = column + comptime!(side as u32);
                    let b = word_of::<S, W, P>(b_staged, b_first, column, word, b_stage, plan);
                    let mut total = sum.extract(side);
                    #[unroll]
                    for p in 0..comptime!(plan.per_word) {
                        total += f32::cast_from(a.extract(p)) * f32::cast_from(b.extract(p));
                    }
                    sum.insert(side, total);
                }
                sums[at] = sum;
            }
        }
    }
}

/// One block of `activation(a b + bias)`, or of a part of this sum, into `out`: `[parts, rows, columns]`.
#[cube(launch_unchecked, address_type = "dynamic")]
pub(in crate::cube) fn implicit_gemm<B: Numeric, S: Numeric>(
    a: &Tensor<Vector<f32, Const<4>>>,
    b: &Tensor<Vector<B, Const<4>>>,
    bias: &Tensor<Vector<f32, Const<2>>>,
    out: &mut Tensor<Vector<f32, Const<2>>>,
    extents: Extents,
    #[comptime] plan: Plan,
    #[define(B, S)] _dtypes: [ElemType; 2],
) {
    let size!(P) = plan.per_word;
    let size!(W) = comptime!(QUAD * plan.per_word);
    let (a_stage, b_stage) = comptime!((plan.a_stage(), plan.b_stage()));
    let [row_tiles, column_tiles] = comptime!(plan.tiles());
    let first_row = CUBE_POS_Y * comptime!(plan.blocks.rows as u32);
    let first_column = CUBE_POS_X * comptime!(plan.blocks.columns as u32);
    let classes = comptime!(plan.classes() * plan.classes());
    let (part, class) = (CUBE_POS_Z / classes, CUBE_POS_Z % classes);
    // The kernel's first line and column that meet this class of the large map's positions.
    let class = (class / comptime!(plan.stride), class % comptime!(plan.stride));
    let plane_row =
        UNIT_POS_Y / comptime!(plan.blocks.planes[1] as u32) * comptime!((row_tiles * TILE_ROWS) as u32);
    let plane_column = UNIT_POS_Y % comptime!(plan.blocks.planes[1] as u32)
        * comptime!((column_tiles * TILE_COLUMNS) as u32);

    let a_reader = a_reader(extents, first_row, class, plan);
    let b_reader = b_reader(extents, first_column, plan);
    let mut a_next = Array::new(comptime!(plan.quads(a_stage) * plan.per_word));
    let mut b_next = Array::new(comptime!(plan.quads(b_stage) * plan.per_word));
    let mut a_staged = Shared::<[Vector<S, W>]>::new_aligned_slice(comptime!(2 * a_stage.size()), 16usize);
    let mut b_staged = Shared::<[Vector<S, W>]>::new_aligned_slice(comptime!(2 * b_stage.size()), 16usize);
    let mut sums = Array::<Vector<f32, Const<2>>>::new(comptime!(2 * row_tiles * column_tiles));
    #[unroll]
    for i in 0..comptime!(2 * row_tiles * column_tiles) {
        sums[i] = Vector::cast_from(0u32);
    }

    let mut tile = part * extents.tiles_of_part;
    let end = clamp_max(tile + extents.tiles_of_part, extents.tiles);
    let mut a_half = 0u32;
    let mut b_half = 0u32;
    read(a, b, &a_reader, &b_reader, &mut a_next, &mut b_next, extents, tile, class, plan);
    stage_quads(&a_next, &mut a_staged, a_half, a_stage, plan);
    stage_quads(&b_next, &mut b_staged, b_half, b_stage, plan);
    sync_cube();
    while tile < end {
        tile += 1;
        let a_other = comptime!(a_stage.size() as u32) - a_half;
        let b_other = comptime!(b_stage.size() as u32) - b_half;
        // The two conditions keep reading before the products and staging behind them: in one block of
        // instructions, compilers move both into the middle, where they wait for memory.
        if tile < end {
            read(a, b, &a_reader, &b_reader, &mut a_next, &mut b_next, extents, tile, class, plan);
        }
        if comptime!(plan.emulated) {
            multiply_by_value::<S, W, P>(
                &a_staged,
                &b_staged,
                &mut sums,
                a_half,
                b_half,
                plane_row,
                plane_column,
                plan,
            );
        } else {
            multiply::<S, W, P>(
                &a_staged,
                &b_staged,
                &mut sums,
                a_half,
                b_half,
                plane_row,
                plane_column,
                plan,
            );
        }
        if tile < end {
            stage_quads(&a_next, &mut a_staged, a_other, a_stage, plan);
            stage_quads(&b_next, &mut b_staged, b_other, b_stage, plan);
        }
        a_half = a_other;
        b_half = b_other;
        sync_cube();
    }

    let (group, member) = (UNIT_POS_X / 4, UNIT_POS_X % 4);
    #[unroll]
    for i in 0..comptime!(2 * row_tiles) {
        let row = first_row + plane_row + comptime!((i * 8) as u32) + group;
        if row < extents.rows {
            let mut line = part * extents.rows + row;
            if comptime!(plan.pass == Pass::LargeMap) {
                let (rest, right) = extents.line.div_mod(row);
                let (image, down) = extents.lines.div_mod(rest);
                let (top, _) = first_of_class(class.0, plan);
                let (left, _) = first_of_class(class.1, plan);
                let y = down * comptime!(plan.stride) + top;
                let x = right * comptime!(plan.stride) + left;
                line =
                    part * extents.rows * classes + (image * extents.out_height + y) * extents.out_width + x;
            }
            #[unroll]
            for j in 0..column_tiles {
                let column = first_column + plane_column + comptime!((j * TILE_COLUMNS) as u32) + member * 2;
                if column < extents.columns {
                    let mut sum = sums[comptime!((i / 2 * column_tiles + j) * 2 + i % 2)];
                    if comptime!(plan.has_bias) {
                        sum += bias[(column / 2) as usize];
                    }
                    out[((line * extents.columns + column) / 2) as usize] =
                        max(sum, sum * Vector::new(extents.negative_slope));
                }
            }
        }
    }
}
