//! Both factors' tiles in shared memory.

use cubecl::prelude::*;

use super::plan::{LANES, Plan, QUAD, Stage};

/// Which of the stage's quads the unit's `i`-th is.
#[cube]
pub(super) fn nth_quad(#[comptime] i: usize, #[comptime] plan: Plan) -> u32 {
    UNIT_POS_Y * comptime!(LANES as u32) + UNIT_POS_X + comptime!((i * plan.blocks.units()) as u32)
}

/// Line of the result and first word of depth of a quad, or the first line and the word.
#[cube]
pub(super) fn place(quad: u32, #[comptime] stage: Stage) -> (u32, u32) {
    let across = quad / comptime!(stage.quads_of_run());
    let along = quad % comptime!(stage.quads_of_run()) * comptime!(QUAD as u32);
    if comptime!(stage.is_deep) { (across, along) } else { (along, across) }
}

/// Where a quad of a run is staged.
#[cube]
pub(super) fn staged_at(run: u32, quad: u32, #[comptime] stage: Stage) -> u32 {
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
pub(super) fn depth_of(word: u32, #[comptime] plan: Plan) -> u32 {
    if comptime!(plan.per_word == 1) {
        word
    } else {
        let (quad, rank) = (word / comptime!(QUAD as u32), word % comptime!(QUAD as u32));
        rank / 2 * comptime!(plan.blocks.words as u32) + quad * 4 + rank % 2 * 2
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
pub(super) fn stage_quads<I: Numeric, S: Numeric, W: Size>(
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
