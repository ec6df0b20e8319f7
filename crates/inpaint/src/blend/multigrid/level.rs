//! One grid of the hierarchy: a weighted graph of unknowns on a rectangle.

/// Unknowns on a rectangle of cells and the equation of each: `diagonal u - sum of weight u of its
/// neighbours`. Cells that are no unknowns have `diagonal` 0, no weights, and hold `u = 0`.
pub(super) struct Level {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Weight of the link from a cell to the one on its right.
    pub(super) right: Vec<f32>,
    /// Weight of the link from a cell to the one below.
    pub(super) down: Vec<f32>,
    /// Sum of a cell's links, to unknowns and to fixed cells; 0 where nothing is unknown.
    pub(super) diagonal: Vec<f32>,
}

impl Level {
    /// The picture's own grid: links of weight 1 between neighbours. Also returns, for each cell, how many
    /// fixed neighbours it has.
    pub(super) fn finest(width: usize, height: usize, unknown: &[bool]) -> (Self, Vec<f32>) {
        let mut level = Self::empty(width, height);
        let mut anchor = vec![0.0; width * height];
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                let mut link = |other: usize, weights: &mut Vec<f32>| match (unknown[at], unknown[other]) {
                    (true, true) => weights[at] = 1.0,
                    (true, false) => anchor[at] += 1.0,
                    (false, true) => anchor[other] += 1.0,
                    (false, false) => {}
                };
                if x + 1 < width {
                    link(at + 1, &mut level.right);
                }
                if y + 1 < height {
                    link(at + width, &mut level.down);
                }
            }
        }
        level.add_up(&anchor, 1.0);
        (level, anchor)
    }

    /// The grid of half as many cells along each side. A coarse cell joins 2x2 fine ones; its links are the
    /// fine links that cross its edges, at half the weight because they are twice as long. Links to fixed
    /// cells grow less: from the middle of a cell of side `2^depth` to the middle of a fixed pixel it is
    /// `(2^depth + 1) / 2` pixels.
    pub(super) fn coarser(&self, anchor: &[f32], depth: u32) -> (Self, Vec<f32>) {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut level = Self::empty(width, height);
        let mut coarse_anchor = vec![0.0; width * height];
        for y in 0..self.height {
            for x in 0..self.width {
                let (at, coarse) = (y * self.width + x, y / 2 * width + x / 2);
                coarse_anchor[coarse] += anchor[at];
                if x % 2 == 1 {
                    level.right[coarse] += 0.5 * self.right[at];
                }
                if y % 2 == 1 {
                    level.down[coarse] += 0.5 * self.down[at];
                }
            }
        }
        level.add_up(&coarse_anchor, 2.0 / ((1_u64 << depth) as f32 + 1.0));
        (level, coarse_anchor)
    }

    fn empty(width: usize, height: usize) -> Self {
        let none = vec![0.0; width * height];
        Self { width, height, right: none.clone(), down: none.clone(), diagonal: none }
    }

    fn add_up(&mut self, anchor: &[f32], weight: f32) {
        for y in 0..self.height {
            for x in 0..self.width {
                let at = y * self.width + x;
                self.diagonal[at] = weight * anchor[at] + self.right[at] + self.down[at];
                if x > 0 {
                    self.diagonal[at] += self.right[at - 1];
                }
                if y > 0 {
                    self.diagonal[at] += self.down[at - self.width];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_unknowns_in_a_row_by_hand() {
        // fixed, unknown, unknown, unknown at the border
        let (fine, anchor) = Level::finest(4, 1, &[false, true, true, true]);
        assert_eq!(fine.right, [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(anchor, [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(fine.diagonal, [0.0, 2.0, 2.0, 1.0]);
        let (coarse, anchor) = fine.coarser(&anchor, 1);
        assert_eq!((coarse.width, coarse.height), (2, 1));
        assert_eq!(coarse.right, [0.5, 0.0]);
        assert_eq!(anchor, [1.0, 0.0]);
        assert_eq!(coarse.diagonal, [0.5 + 2.0 / 3.0, 0.5]);
    }
}
