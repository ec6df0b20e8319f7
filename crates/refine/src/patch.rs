//! Square patches and the distance of two of them.

use crate::level::{Level, Texel};

/// Pixels from a patch's centre to its edge.
pub(crate) const RADIUS: usize = 4;

/// Pixels a side.
const SIDE: usize = 2 * RADIUS + 1;

/// Whether the patch around a pixel lies in the picture.
pub(crate) fn is_centre(at: usize, width: usize, height: usize) -> bool {
    let inside = |place: usize, length: usize| place >= RADIUS && place + RADIUS < length;
    inside(at % width, width) && inside(at / width, height)
}

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
    let mut sum = guide.weight * row_distance(&guide.texels[a..=a], &level.texels[b..=b]);
    let first = RADIUS * level.width + RADIUS;
    let (mut a, mut b) = (a - first, b - first);
    for _ in 0..SIDE {
        sum += row_distance(&level.texels[a..a + SIDE], &level.texels[b..b + SIDE]);
        if sum >= limit {
            break;
        }
        a += level.width;
        b += level.width;
    }
    sum
}

#[inline(always)]
fn row_distance(a: &[Texel], b: &[Texel]) -> u32 {
    let squares = a.as_flattened().iter().zip(b.as_flattened()).map(|(&a, &b)| {
        let difference = i32::from(a) - i32::from(b);
        (difference * difference) as u32
    });
    squares.sum()
}
