//! The product of two staged tiles.

use cubecl::{
    cmma::{MatrixIdent, MmaDefinition},
    prelude::*,
};

use super::{
    plan::{Plan, QUAD, Stage, TILE_COLUMNS, TILE_ROWS, TILE_WORDS},
    stage::staged_at,
};

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
pub(super) fn multiply<S: Numeric, W: Size, P: Size>(
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
pub(super) fn multiply_by_value<S: Numeric, W: Size, P: Size>(
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
