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

use cubecl::prelude::*;

use super::{
    multiply::{multiply, multiply_by_value},
    plan::{Pass, Plan, QUAD, TILE_COLUMNS, TILE_ROWS},
    reader::{Extents, a_reader, b_reader, before_activation, first_of_class, read},
    stage::stage_quads,
};

/// One block of `activation(a b + bias)`, or of a part of this sum, into `out`: `[parts, rows, columns]`.
#[cube(launch_unchecked, address_type = "dynamic")]
pub(super) fn implicit_gemm<A: Numeric, B: Numeric, S: Numeric, O: Numeric>(
    a: &Tensor<Vector<A, Const<4>>>,
    activated: &Tensor<Vector<A, Const<4>>>,
    b: &Tensor<Vector<B, Const<4>>>,
    bias: &Tensor<Vector<f32, Const<2>>>,
    out: &mut Tensor<Vector<O, Const<2>>>,
    extents: Extents,
    #[comptime] plan: Plan,
    #[define(A, B, S, O)] _dtypes: [ElemType; 4],
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
    let mut activated_next = Array::new(comptime!(plan.activated_quads()));
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
    read(
        a,
        activated,
        b,
        &a_reader,
        &b_reader,
        &mut a_next,
        &mut activated_next,
        &mut b_next,
        extents,
        tile,
        class,
        plan,
    );
    before_activation(&mut a_next, &activated_next, extents, plan);
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
            read(
                a,
                activated,
                b,
                &a_reader,
                &b_reader,
                &mut a_next,
                &mut activated_next,
                &mut b_next,
                extents,
                tile,
                class,
                plan,
            );
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
            before_activation(&mut a_next, &activated_next, extents, plan);
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
                    if comptime!(plan.pass != Pass::WeightGradient) {
                        sum = max(sum, sum * Vector::new(extents.negative_slope));
                    }
                    out[((line * extents.columns + column) / 2) as usize] = Vector::cast_from(sum);
                }
            }
        }
    }
}
