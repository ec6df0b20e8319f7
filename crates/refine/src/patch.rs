//! Square patches.

/// Pixels from a patch's centre to its edge.
pub(crate) const RADIUS: usize = 4;

/// Pixels a side.
pub(crate) const SIDE: usize = 2 * RADIUS + 1;

/// Whether the patch around a pixel lies in the picture.
pub(crate) fn is_centre(at: usize, width: usize, height: usize) -> bool {
    let inside = |place: usize, length: usize| place >= RADIUS && place + RADIUS < length;
    inside(at % width, width) && inside(at / width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_lie_in_the_picture() {
        let centres: Vec<usize> = (0..11 * 10).filter(|&at| is_centre(at, 11, 10)).collect();
        assert_eq!(centres, [4 * 11 + 4, 4 * 11 + 5, 4 * 11 + 6, 5 * 11 + 4, 5 * 11 + 5, 5 * 11 + 6]);
        assert!(!(0..8 * 20).any(|at| is_centre(at, 8, 20)));
    }
}
