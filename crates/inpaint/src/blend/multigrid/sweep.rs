//! Work on one grid, row by row and in parallel: relaxation, residual, transfer to the next grid and back.

use rayon::prelude::*;

use super::level::Level;

/// Rows that one task works on. Fixed, so that results do not depend on the number of threads.
const ROWS: usize = 32;

/// Which half of a chessboard.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    Red,
    Black,
}

impl Level {
    /// Gauss-Seidel on one colour: every unknown of it takes the value that solves its own equation.
    pub(super) fn relax(&self, colour: Colour, u: &mut [f32], f: &[f32]) {
        let width = self.width;
        // A task reads the rows next to its own. Those cells change only on the other colour's turn, so
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
                self.relax_row(colour, task * ROWS + row, current, [up, down], f);
            }
        });
    }

    fn relax_row(&self, colour: Colour, y: usize, u: &mut [f32], [up, down]: [&[f32]; 2], f: &[f32]) {
        let first = match colour {
            Colour::Red => y % 2,
            Colour::Black => 1 - y % 2,
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

    /// Gathers a finer grid's residual here: the transpose of [`add_interpolated`](Self::add_interpolated).
    pub(super) fn gather(&self, fine: &Self, residual: &[f32], out: &mut [f32]) {
        out.par_chunks_mut(self.width).enumerate().for_each(|(y, out)| {
            for (x, out) in out.iter_mut().enumerate() {
                if self.diagonal[y * self.width + x] == 0.0 {
                    *out = 0.0;
                    continue;
                }
                let mut sum = 0.0;
                for (fy, row_weight) in shares(y, fine.height) {
                    for (fx, weight) in shares(x, fine.width) {
                        sum += row_weight * weight * residual[fy * fine.width + fx];
                    }
                }
                *out = sum;
            }
        });
    }

    /// Adds this grid's `u` to a finer grid's, interpolated linearly between the middles of cells.
    pub(super) fn add_interpolated(&self, u: &[f32], fine: &Self, fine_u: &mut [f32]) {
        fine_u.par_chunks_mut(fine.width).enumerate().for_each(|(y, fine_u)| {
            let (near_row, far_row) = (y / 2 * self.width, across(y, self.height) * self.width);
            for (x, fine_u) in fine_u.iter_mut().enumerate() {
                if fine.diagonal[y * fine.width + x] > 0.0 {
                    let (near, far) = (x / 2, across(x, self.width));
                    let row = |row: usize| 0.75 * u[row + near] + 0.25 * u[row + far];
                    *fine_u += 0.75 * row(near_row) + 0.25 * row(far_row);
                }
            }
        });
    }
}

/// The coarse cell beyond the nearer edge of fine cell `fine`; at the rectangle's border the cell's own.
fn across(fine: usize, coarse_count: usize) -> usize {
    let near = fine / 2;
    if fine.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(coarse_count - 1) }
}

/// The fine cells that take from coarse cell `coarse`, and how much.
fn shares(coarse: usize, fine_count: usize) -> impl Iterator<Item = (usize, f32)> {
    let coarse_count = fine_count.div_ceil(2);
    let first = (2 * coarse).saturating_sub(1);
    (first..(2 * coarse + 3).min(fine_count)).filter_map(move |fine| {
        let near = if fine / 2 == coarse { 0.75 } else { 0.0 };
        let far = if across(fine, coarse_count) == coarse { 0.25 } else { 0.0 };
        (near + far > 0.0).then_some((fine, near + far))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_transpose_of_interpolation() {
        for fine_count in 1..9_usize {
            let coarse_count = fine_count.div_ceil(2);
            let mut total = vec![0.0; fine_count];
            for coarse in 0..coarse_count {
                for (fine, share) in shares(coarse, fine_count) {
                    let near = if fine / 2 == coarse { 0.75 } else { 0.0 };
                    let far = if across(fine, coarse_count) == coarse { 0.25 } else { 0.0 };
                    assert_eq!(share, near + far);
                    total[fine] += share;
                }
            }
            assert_eq!(total, vec![1.0; fine_count], "each fine cell takes all of its value");
        }
    }

    #[test]
    fn a_row_relaxed_by_hand() {
        let (level, _) = Level::finest(4, 1, &[false, true, true, false]);
        let (mut u, f) = (vec![0.0; 4], [0.0, 2.0, 4.0, 0.0]);
        level.relax(Colour::Red, &mut u, &f); // columns 0 and 2
        assert_eq!(u, [0.0, 0.0, 2.0, 0.0]);
        level.relax(Colour::Black, &mut u, &f);
        assert_eq!(u, [0.0, 2.0, 2.0, 0.0]);
        let mut left = vec![0.0; 4];
        level.residual(&u, &f, &mut left);
        assert_eq!(left, [0.0, 0.0, 2.0, 0.0]);
    }
}
