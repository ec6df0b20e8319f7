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
        let (first, second) = ([0, 1, 2].map(|at| row(a, at)), [0, 1, 2].map(|at| row(b, at)));
        let mut rows = 0_i32;
        for channel in 0..CHANNELS * SIDE {
            for at in 0..ROWS {
                let difference = i16::from(first[at][channel]) - i16::from(second[at][channel]);
                rows += i32::from(difference) * i32::from(difference);
            }
        }
        sum += rows as u32;
        a += ROWS * level.width;
        b += ROWS * level.width;
    }
    sum
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
