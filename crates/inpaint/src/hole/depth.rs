//! How far hidden pixels lie from what is visible.

/// Steps to a neighbour by an edge and by a corner: 3 and 4 are within 8 % of Euclid's distance, times 3.
const STEPS: [u16; 2] = [3, 4];

/// Units of a depth in one pixel.
pub(crate) const UNIT: u16 = STEPS[0];

/// For each cell of a rectangle, [`UNIT`] times its distance from the nearest cell outside the hole, 0
/// outside the hole. What lies beyond the rectangle is neither: it does not make a hole shallow.
pub(crate) fn depths(width: usize, inside: &[bool]) -> Vec<u16> {
    let far = |inside: &bool| if *inside { u16::MAX } else { 0 };
    let mut depths: Vec<u16> = inside.iter().map(far).collect();
    let height = depths.len() / width.max(1);
    let [edge, corner] = STEPS;
    // From the neighbours above and on the left, then from those below and on the right.
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let mut take = |there: bool, other: usize, step: u16| {
                if there {
                    depths[at] = depths[at].min(depths[other].saturating_add(step));
                }
            };
            take(x > 0, at.wrapping_sub(1), edge);
            take(y > 0, at.wrapping_sub(width), edge);
            take(y > 0 && x > 0, at.wrapping_sub(width + 1), corner);
            take(y > 0 && x + 1 < width, at.wrapping_sub(width.wrapping_sub(1)), corner);
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let at = y * width + x;
            let mut take = |there: bool, other: usize, step: u16| {
                if there {
                    depths[at] = depths[at].min(depths[other].saturating_add(step));
                }
            };
            take(x + 1 < width, at + 1, edge);
            take(y + 1 < height, at + width, edge);
            take(y + 1 < height && x + 1 < width, at + width + 1, corner);
            take(y + 1 < height && x > 0, at + width - 1, corner);
        }
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bay_at_the_border_by_hand() {
        // the right side of the rectangle is the picture's border
        let inside = [
            false, false, false, false, //
            false, true, true, true, //
            false, true, true, true, //
            false, false, true, true, //
        ];
        let expected = [
            0, 0, 0, 0, //
            0, 3, 3, 3, //
            0, 3, 4, 6, //
            0, 0, 3, 6, //
        ];
        assert_eq!(depths(4, &inside), expected);
    }
}
