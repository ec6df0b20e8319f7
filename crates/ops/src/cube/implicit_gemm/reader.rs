//! Where a cube's units read both factors.

use cubecl::{prelude::*, std::FastDivmod};

use super::{
    plan::{Pass, Plan, QUAD},
    stage::{depth_of, nth_quad, place},
};

/// More than any map is high.
const OUTSIDE: u32 = 1 << 30;

/// Where a unit reads a factor, for each of the quads that it stages; what lies outside is zero.
#[derive(CubeType)]
pub(super) struct Reader {
    /// Vector of four values, before what all quads have in common is added.
    at: Array<u32>,
    /// Of an unfolded map: the values of the kernel that meet it ([`taps_inside`]), or its line. Of the
    /// small map in the gradient of weights: the position within the tile.
    y: Array<u32>,
    /// Of an unfolded map whose lines are in `y`: its column. Of other factors: not zero outside.
    x: Array<u32>,
}

/// What changes from layer to layer without another kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Extents {
    /// Of the result.
    pub(super) rows: u32,
    pub(super) columns: u32,
    /// Of depth: in all, and of one part of the sum.
    pub(super) tiles: u32,
    pub(super) tiles_of_part: u32,
    /// Lines and columns of the map whose positions are rows, or depth.
    pub(super) lines: FastDivmod<u32>,
    pub(super) line: FastDivmod<u32>,
    /// Channels that one value of the kernel meets.
    pub(super) tap_channels: FastDivmod<u32>,
    /// Of the map that is unfolded; channels in vectors.
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) channels: u32,
    /// Vectors of a row of the factor that is not unfolded.
    pub(super) row_vectors: u32,
    /// Values of depth; of the gradient of weights these are positions.
    pub(super) positions: u32,
    /// Of the large map.
    pub(super) out_height: u32,
    pub(super) out_width: u32,
    /// The activation is `max(x, negative_slope x)`: of the result, or of what the small map is the gradient
    /// of where weights' gradients are computed.
    pub(super) negative_slope: f32,
}

/// The first line of the large map in a class, and the small map's last line that meets it.
#[cube]
pub(super) fn first_of_class(class: u32, #[comptime] plan: Plan) -> (u32, u32) {
    let stride = comptime!(plan.stride);
    let line = (class + comptime!(plan.stride - plan.padding % plan.stride)) % stride;
    (line, (line + comptime!(plan.padding) - class) / stride)
}

#[cube]
pub(super) fn a_reader(extents: Extents, first: u32, class: (u32, u32), #[comptime] plan: Plan) -> Reader {
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
pub(super) fn b_reader(extents: Extents, first: u32, #[comptime] plan: Plan) -> Reader {
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

/// Reads a tile of both factors, and of the results of an activation.
#[cube]
pub(super) fn read<A: Numeric, B: Numeric>(
    a: &Tensor<Vector<A, Const<4>>>,
    activated: &Tensor<Vector<A, Const<4>>>,
    b: &Tensor<Vector<B, Const<4>>>,
    a_reader: &Reader,
    b_reader: &Reader,
    a_next: &mut Array<Vector<A, Const<4>>>,
    activated_next: &mut Array<Vector<A, Const<4>>>,
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
                let mut result = Vector::cast_from(0u32);
                if offset + a_reader.y[i] < extents.positions && a_reader.x[i] == 0 {
                    let at = (a_reader.at[i] + offset * extents.row_vectors) as usize;
                    value = a[at];
                    if comptime!(plan.is_activated) {
                        result = activated[at];
                    }
                }
                a_next[i * per_word + p] = value;
                if comptime!(plan.is_activated) {
                    activated_next[i * per_word + p] = result;
                }
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

/// The gradient of what was activated from that of the result: it passes where the result is positive, and
/// is multiplied by the negative slope elsewhere.
#[cube]
pub(super) fn before_activation<A: Numeric>(
    a_next: &mut Array<Vector<A, Const<4>>>,
    activated_next: &Array<Vector<A, Const<4>>>,
    extents: Extents,
    #[comptime] plan: Plan,
) {
    if comptime!(plan.is_activated) {
        #[unroll]
        for i in 0..comptime!(plan.activated_quads()) {
            let result = Vector::<f32, Const<4>>::cast_from(activated_next[i]);
            let gradient = Vector::<f32, Const<4>>::cast_from(a_next[i]);
            let scaled = gradient * Vector::new(extents.negative_slope);
            let is_positive = result.greater_than(&Vector::new(0.0f32));
            a_next[i] = Vector::cast_from(select_many(is_positive, gradient, scaled));
        }
    }
}
