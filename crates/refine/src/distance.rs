//! How far a visible patch is from one that touches the hole.

use crate::{
    level::{Level, Texel},
    patch::{RADIUS, SIDE},
};

/// Values of a pixel.
const CHANNELS: usize = 4;

/// Rows of a patch that are compared before it is asked whether the patch can still be the nearest.
const ROWS: usize = 3;

/// The first fill, which leads the search besides the patches.
pub(crate) struct Guide {
    /// The level's pixels before anything was found.
    pub(crate) texels: Vec<Texel>,
    /// How much the squared difference of one pixel counts, where that of each of a patch's pixels counts
    /// once.
    pub(crate) weight: u32,
}

/// How far the patch around `b` is from the one around `a`, which touches the hole: the sum of squared
/// differences, and of that of `b` to the first fill at `a`. Or a part of the sum that is not below `limit`.
#[inline(always)]
pub(crate) fn distance(level: &Level, guide: &Guide, a: usize, b: usize, limit: u32) -> u32 {
    let mut sum = guide.weight * pixel_distance(guide.texels[a], level.texels[b]);
    let first = RADIUS * level.width + RADIUS;
    let (mut a, mut b) = (a - first, b - first);
    for _ in 0..SIDE / ROWS {
        if sum >= limit {
            break;
        }
        let row = |start: usize, row: usize| {
            let start = start + row * level.width;
            level.texels[start..start + SIDE].as_flattened()
        };
        sum += rows_distance([0, 1, 2].map(|at| row(a, at)), [0, 1, 2].map(|at| row(b, at)));
        a += ROWS * level.width;
        b += ROWS * level.width;
    }
    sum
}

/// The sum of squared differences of rows of patches.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
fn rows_distance(first: [&[u8]; ROWS], second: [&[u8]; ROWS]) -> u32 {
    let mut sum = 0_i32;
    for channel in 0..CHANNELS * SIDE {
        for at in 0..ROWS {
            let difference = i16::from(first[at][channel]) - i16::from(second[at][channel]);
            sum += i32::from(difference) * i32::from(difference);
        }
    }
    sum as u32
}

/// The same for WebAssembly, where the compiler finds neither the wide loads nor the instruction that
/// multiplies and adds pairs.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline(always)]
fn rows_distance(first: [&[u8]; ROWS], second: [&[u8]; ROWS]) -> u32 {
    use std::arch::wasm32::{
        i16x8_extend_high_u8x16, i16x8_extend_low_u8x16, i16x8_sub, i32x4_add, i32x4_dot_i16x8, v128,
    };

    /// Sixteen bytes and what is left of a row, four.
    const WIDE: usize = 16;
    const END: usize = CHANNELS * SIDE - 4;
    let wide = |row: &[u8], at: usize| -> v128 {
        let mut bytes = [0; WIDE];
        bytes.copy_from_slice(&row[at..at + WIDE]);
        pulp::cast(bytes)
    };
    let ends = |rows: [&[u8]; ROWS]| -> v128 {
        let mut bytes = [[0; 4]; 4];
        for (bytes, row) in bytes.iter_mut().zip(rows) {
            bytes.copy_from_slice(&row[END..END + 4]);
        }
        pulp::cast(bytes)
    };
    let squares = |a: v128, b: v128| {
        let low = i16x8_sub(i16x8_extend_low_u8x16(a), i16x8_extend_low_u8x16(b));
        let high = i16x8_sub(i16x8_extend_high_u8x16(a), i16x8_extend_high_u8x16(b));
        i32x4_add(i32x4_dot_i16x8(low, low), i32x4_dot_i16x8(high, high))
    };
    let mut sum = squares(ends(first), ends(second));
    for (a, b) in first.into_iter().zip(second) {
        for at in [0, WIDE] {
            sum = i32x4_add(sum, squares(wide(a, at), wide(b, at)));
        }
    }
    let lanes: [u32; 4] = pulp::cast(sum);
    lanes.iter().sum()
}

#[inline(always)]
fn pixel_distance(a: Texel, b: Texel) -> u32 {
    let mut sum = 0;
    for channel in 0..CHANNELS {
        let difference = u32::from(a[channel].abs_diff(b[channel]));
        sum += difference * difference;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_by_hand() {
        let (width, height) = (20, 9);
        let texel = |at: usize| -> Texel { [(at % width) as u8, 7, 0, 0] };
        let texels: Vec<Texel> = (0..width * height).map(texel).collect();
        let guide = Guide { texels: vec![[0, 7, 0, 3]; width * height], weight: 2 };
        let none = vec![false; width * height];
        let level = Level::new(width, height, texels, none.clone(), none);
        let row = RADIUS * width;
        // 81 pixels that differ by 5 in red; the guide's 0 from 9, and its 3 from 0
        let expected = 81 * 25 + 2 * (9 * 9 + 3 * 3);
        assert_eq!(distance(&level, &guide, row + 4, row + 9, u32::MAX), expected);
        // no more than the guide and three rows are looked at
        assert_eq!(distance(&level, &guide, row + 4, row + 9, 200), 2 * 90 + 27 * 25);
        assert_eq!(distance(&level, &guide, row + 4, row + 9, 0), 2 * 90);
    }
}
