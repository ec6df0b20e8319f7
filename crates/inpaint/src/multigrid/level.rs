//! One grid of the hierarchy: a weighted graph of unknowns on a rectangle; relaxation, residual, and transfer
//! to the next grid and back, row by row and in parallel.

use rayon::prelude::*;

/// Rows that one task works on. Fixed, so that results do not depend on the number of threads.
const ROWS: usize = 32;

/// Which half of the checkerboard.
#[derive(Clone, Copy)]
pub(super) enum Color {
    Red,
    Black,
}

/// Unknowns on a rectangle of cells and the equation of each: `diagonal u - sum of weight u of its
/// neighbours`. Cells that are no unknowns have `diagonal` 0, no weights, and hold `u = 0`.
pub(super) struct Level {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Weight of the link from a cell to the one on its right.
    pub(super) right: Vec<f32>,
    /// Weight of the link from a cell to the one below.
    pub(super) down: Vec<f32>,
    /// Weight of the link from a cell to a value of its own (screened Poisson).
    screening: Vec<f32>,
    /// Sum of a cell's links, to unknowns, to fixed cells and to its own value; 0 where nothing is unknown.
    pub(super) diagonal: Vec<f32>,
}

impl Level {
    /// The picture's own grid: links of weight 1 between neighbours, and one of weight `screening` from each
    /// unknown to a value of its own. Also returns, for each cell, how many fixed neighbours it has.
    pub(super) fn finest(width: usize, height: usize, unknown: &[bool], screening: f32) -> (Self, Vec<f32>) {
        let mut level = Self::empty(width, height);
        let mut fixed_links = vec![0.0; width * height];
        level.screening = unknown.iter().map(|&unknown| if unknown { screening } else { 0.0 }).collect();
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                let mut link = |other: usize, weights: &mut Vec<f32>| match (unknown[at], unknown[other]) {
                    (true, true) => weights[at] = 1.0,
                    (true, false) => fixed_links[at] += 1.0,
                    (false, true) => fixed_links[other] += 1.0,
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
        level.set_diagonal(&fixed_links, 1.0);
        (level, fixed_links)
    }

    /// The grid of half as many cells along each side. A coarse cell joins 2x2 fine ones; its links are the
    /// fine links that cross its edges, at half the weight because they are twice as long. Links to fixed
    /// cells grow less: from the centre of a cell of side `2^depth` to the centre of a fixed pixel it is
    /// `(2^depth + 1) / 2` pixels. Screening acts at each pixel, so that a cell has the sum of its pixels'.
    pub(super) fn coarser(&self, fixed_links: &[f32], depth: u32) -> (Self, Vec<f32>) {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut level = Self::empty(width, height);
        let mut coarse_fixed_links = vec![0.0; width * height];
        for y in 0..self.height {
            for x in 0..self.width {
                let (at, coarse) = (y * self.width + x, y / 2 * width + x / 2);
                coarse_fixed_links[coarse] += fixed_links[at];
                level.screening[coarse] += self.screening[at];
                if x % 2 == 1 {
                    level.right[coarse] += 0.5 * self.right[at];
                }
                if y % 2 == 1 {
                    level.down[coarse] += 0.5 * self.down[at];
                }
            }
        }
        level.set_diagonal(&coarse_fixed_links, 2.0 / ((1_u64 << depth) as f32 + 1.0));
        (level, coarse_fixed_links)
    }

    fn empty(width: usize, height: usize) -> Self {
        let none = vec![0.0; width * height];
        Self {
            width,
            height,
            right: none.clone(),
            down: none.clone(),
            screening: none.clone(),
            diagonal: none,
        }
    }

    fn set_diagonal(&mut self, fixed_links: &[f32], weight: f32) {
        for y in 0..self.height {
            for x in 0..self.width {
                let at = y * self.width + x;
                self.diagonal[at] =
                    weight * fixed_links[at] + self.screening[at] + self.right[at] + self.down[at];
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

impl Level {
    /// Gauss-Seidel on one color: every unknown of it takes the value that solves its own equation.
    pub(super) fn relax(&self, color: Color, u: &mut [f32], f: &[f32]) {
        let width = self.width;
        // A task reads the rows next to its own. Those cells change only on the other color's turn, so
        // copies do.
        let edges: Vec<(Vec<f32>, Vec<f32>)> = (0..self.height)
            .step_by(ROWS)
            .map(|top| {
                let row = |y: Option<usize>| match y {
                    Some(y) if y < self.height => u[y * width..][..width].to_vec(),
                    _ => vec![0.0; width],
                };
                (row(top.checked_sub(1)), row(Some(top + ROWS)))
            })
            .collect();
        u.par_chunks_mut(ROWS * width).zip(&edges).enumerate().for_each(|(task, (rows, (above, below)))| {
            let count = rows.len() / width;
            for row in 0..count {
                let (before, rest) = rows.split_at_mut(row * width);
                let (current, after) = rest.split_at_mut(width);
                let up = if row > 0 { &before[(row - 1) * width..] } else { above };
                let down = if row + 1 < count { &after[..width] } else { below };
                self.relax_row(color, task * ROWS + row, current, [up, down], f);
            }
        });
    }

    fn relax_row(&self, color: Color, y: usize, u: &mut [f32], [up, down]: [&[f32]; 2], f: &[f32]) {
        let first = match color {
            Color::Red => y % 2,
            Color::Black => 1 - y % 2,
        };
        let start = y * self.width;
        for x in (first..self.width).step_by(2) {
            let at = start + x;
            if self.diagonal[at] > 0.0 {
                let mut sum = f[at];
                if x > 0 {
                    sum += self.right[at - 1] * u[x - 1];
                }
                if x + 1 < self.width {
                    sum += self.right[at] * u[x + 1];
                }
                if y > 0 {
                    sum += self.down[at - self.width] * up[x];
                }
                sum += self.down[at] * down[x];
                u[x] = sum / self.diagonal[at];
            }
        }
    }

    /// The matrix times `u`, into `out`.
    pub(super) fn apply(&self, u: &[f32], out: &mut [f32]) {
        let width = self.width;
        out.par_chunks_mut(width).enumerate().for_each(|(y, out)| {
            for (x, out) in out.iter_mut().enumerate() {
                let at = y * width + x;
                let mut sum = self.diagonal[at] * u[at];
                if x > 0 {
                    sum -= self.right[at - 1] * u[at - 1];
                }
                if x + 1 < width {
                    sum -= self.right[at] * u[at + 1];
                }
                if y > 0 {
                    sum -= self.down[at - width] * u[at - width];
                }
                if y + 1 < self.height {
                    sum -= self.down[at] * u[at + width];
                }
                *out = sum;
            }
        });
    }

    /// `f` less the matrix times `u`, into `out`.
    pub(super) fn residual(&self, u: &[f32], f: &[f32], out: &mut [f32]) {
        self.apply(u, out);
        out.par_chunks_mut(self.width).zip(f.par_chunks(self.width)).for_each(|(out, f)| {
            for (out, f) in out.iter_mut().zip(f) {
                *out = f - *out;
            }
        });
    }

    /// Restriction: a finer grid's residual, gathered here by the transpose of
    /// [`prolongate`](Self::prolongate).
    pub(super) fn restrict(&self, fine: &Self, residual: &[f32], out: &mut [f32]) {
        out.par_chunks_mut(self.width).enumerate().for_each(|(y, out)| {
            for (x, out) in out.iter_mut().enumerate() {
                if self.diagonal[y * self.width + x] == 0.0 {
                    *out = 0.0;
                    continue;
                }
                let mut sum = 0.0;
                for (fy, row_weight) in children(y, fine.height) {
                    for (fx, weight) in children(x, fine.width) {
                        sum += row_weight * weight * residual[fy * fine.width + fx];
                    }
                }
                *out = sum;
            }
        });
    }

    /// Prolongation: adds this grid's `u` to a finer grid's, interpolated linearly between the centres of
    /// cells.
    pub(super) fn prolongate(&self, u: &[f32], fine: &Self, fine_u: &mut [f32]) {
        fine_u.par_chunks_mut(fine.width).enumerate().for_each(|(y, fine_u)| {
            let (near_row, far_row) = (y / 2 * self.width, second_parent(y, self.height) * self.width);
            for (x, fine_u) in fine_u.iter_mut().enumerate() {
                if fine.diagonal[y * fine.width + x] > 0.0 {
                    let (near, far) = (x / 2, second_parent(x, self.width));
                    let row = |row: usize| 0.75 * u[row + near] + 0.25 * u[row + far];
                    *fine_u += 0.75 * row(near_row) + 0.25 * row(far_row);
                }
            }
        });
    }
}

/// A fine cell's value is 3/4 of its own coarse cell's and 1/4 of this one's: the coarse cell beyond its
/// nearer edge; at the rectangle's border its own.
fn second_parent(fine: usize, coarse_count: usize) -> usize {
    let near = fine / 2;
    if fine.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(coarse_count - 1) }
}

/// The fine cells that take from coarse cell `coarse`, and their weights.
fn children(coarse: usize, fine_count: usize) -> impl Iterator<Item = (usize, f32)> {
    let coarse_count = fine_count.div_ceil(2);
    let first = (2 * coarse).saturating_sub(1);
    (first..(2 * coarse + 3).min(fine_count)).filter_map(move |fine| {
        let near = if fine / 2 == coarse { 0.75 } else { 0.0 };
        let far = if second_parent(fine, coarse_count) == coarse { 0.25 } else { 0.0 };
        (near + far > 0.0).then_some((fine, near + far))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_of_three_unknowns_by_hand() {
        // fixed, unknown, unknown, unknown at the border
        let (fine, fixed_links) = Level::finest(4, 1, &[false, true, true, true], 0.0);
        assert_eq!(fine.right, [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(fixed_links, [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(fine.diagonal, [0.0, 2.0, 2.0, 1.0]);
        let (coarse, fixed_links) = fine.coarser(&fixed_links, 1);
        assert_eq!((coarse.width, coarse.height), (2, 1));
        assert_eq!(coarse.right, [0.5, 0.0]);
        assert_eq!(fixed_links, [1.0, 0.0]);
        assert_eq!(coarse.diagonal, [0.5 + 2.0 / 3.0, 0.5]);
        let (screened, fixed_links) = Level::finest(4, 1, &[false, true, true, true], 0.25);
        assert_eq!(screened.diagonal, [0.0, 2.25, 2.25, 1.25]);
        let (coarse, _) = screened.coarser(&fixed_links, 1);
        assert_eq!(coarse.diagonal, [0.5 + 2.0 / 3.0 + 0.25, 0.5 + 0.5]);
    }

    #[test]
    fn restriction_is_the_transpose_of_prolongation() {
        for fine_count in 1..9_usize {
            let coarse_count = fine_count.div_ceil(2);
            let mut total = vec![0.0; fine_count];
            for coarse in 0..coarse_count {
                for (fine, weight) in children(coarse, fine_count) {
                    let near = if fine / 2 == coarse { 0.75 } else { 0.0 };
                    let far = if second_parent(fine, coarse_count) == coarse { 0.25 } else { 0.0 };
                    assert_eq!(weight, near + far);
                    total[fine] += weight;
                }
            }
            assert_eq!(total, vec![1.0; fine_count], "each fine cell takes all of its value");
        }
    }

    #[test]
    fn relaxation_by_hand() {
        let (level, _) = Level::finest(4, 1, &[false, true, true, false], 0.0);
        let (mut u, f) = (vec![0.0; 4], [0.0, 2.0, 4.0, 0.0]);
        level.relax(Color::Red, &mut u, &f); // columns 0 and 2
        assert_eq!(u, [0.0, 0.0, 2.0, 0.0]);
        level.relax(Color::Black, &mut u, &f);
        assert_eq!(u, [0.0, 2.0, 2.0, 0.0]);
        let mut left = vec![0.0; 4];
        level.residual(&u, &f, &mut left);
        assert_eq!(left, [0.0, 0.0, 2.0, 0.0]);
    }
}
