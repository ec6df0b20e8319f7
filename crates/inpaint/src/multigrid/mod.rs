//! Laplace's and Poisson's equations on any set of pixels, solved in a few iterations whatever their number.

mod level;

use crate::conjugate_gradients::{System, conjugate_gradients};
use level::{Color, Level};

/// Relaxations before and after a coarser grid's correction. One of each colour counts once.
const RELAXATIONS: usize = 2;

/// Laplace's equation on the unknown cells of a rectangle: each equals the mean of its neighbours. Known
/// cells are fixed; across the rectangle's border the gradient is zero.
///
/// Conjugate gradients, each step preconditioned by one V-cycle of multigrid (linear interpolation between
/// the middles of cells, its transpose back, red-black Gauss-Seidel in symmetric order). The cycle makes the
/// number of steps independent of the hole's size, conjugate gradients make it safe for holes of odd shapes.
///
/// Every connected set of unknowns must touch a known cell. Holds about 50 bytes per cell while it solves.
pub(crate) struct Multigrid {
    /// From the finest to a single cell.
    levels: Vec<Level>,
}

/// What a V-cycle needs on each grid.
struct Scratch {
    u: Vec<f32>,
    f: Vec<f32>,
    residual: Vec<f32>,
}

impl Multigrid {
    /// `unknown` tells, row by row, which cells of a rectangle `width` cells wide are to be found.
    pub(crate) fn new(width: usize, unknown: &[bool]) -> Self {
        Self::screened(width, unknown, 0.0)
    }

    /// The same for the screened Poisson equation: each unknown `u` has a term `screening * u` besides.
    pub(crate) fn screened(width: usize, unknown: &[bool], screening: f32) -> Self {
        let height = unknown.len() / width.max(1);
        let (finest, mut fixed_links) = Level::finest(width, height, unknown, screening);
        let mut levels = vec![finest];
        while let Some(last) = levels.last()
            && last.width * last.height > 1
        {
            let (level, coarse_links) = last.coarser(&fixed_links, levels.len() as u32);
            levels.push(level);
            fixed_links = coarse_links;
        }
        Self { levels }
    }

    /// The solution for known cells that hold `known(index)`; 0 at known cells.
    pub(crate) fn solve(&self, known: impl Fn(usize) -> f32) -> Vec<f32> {
        self.solve_poisson(known, |_| 0.0)
    }

    /// The solution where each unknown, times the number of its neighbours, less their sum, is to be
    /// `source(index)` (with screening: and `screening` times the unknown besides).
    pub(crate) fn solve_poisson(
        &self,
        known: impl Fn(usize) -> f32,
        source: impl Fn(usize) -> f32,
    ) -> Vec<f32> {
        self.solve_counting_iterations(known, source).0
    }

    /// The solution, and how many steps of conjugate gradients (each with one V-cycle) it took.
    fn solve_counting_iterations(
        &self,
        known: impl Fn(usize) -> f32,
        source: impl Fn(usize) -> f32,
    ) -> (Vec<f32>, usize) {
        let Some(finest) = self.levels.first() else { return (Vec::new(), 0) };
        let scratch = self.levels.iter().map(Scratch::new).collect();
        let residual = right_hand_side(finest, &known, &source);
        conjugate_gradients(&mut Cycle { levels: &self.levels, finest, scratch }, residual)
    }
}

/// The system with one V-cycle as its preconditioner.
struct Cycle<'a> {
    /// From the finest to a single cell; at least one.
    levels: &'a [Level],
    finest: &'a Level,
    scratch: Vec<Scratch>,
}

impl System for Cycle<'_> {
    const MAX_ITERATIONS: usize = 60;

    fn apply(&self, u: &[f32], product: &mut [f32]) {
        self.finest.apply(u, product);
    }

    /// One V-cycle from zero: an approximate solution for the right-hand side `f`.
    fn precondition(&mut self, f: &[f32]) -> &[f32] {
        let scratch = &mut self.scratch[..];
        scratch[0].f.copy_from_slice(f);
        let last = self.levels.len() - 1;
        for depth in 0..last {
            let (upper, lower) = scratch.split_at_mut(depth + 1);
            let (here, next) = (&mut upper[depth], &mut lower[0]);
            here.u.fill(0.0);
            let level = &self.levels[depth];
            for _ in 0..RELAXATIONS {
                level.relax(Color::Red, &mut here.u, &here.f);
                level.relax(Color::Black, &mut here.u, &here.f);
            }
            level.residual(&here.u, &here.f, &mut here.residual);
            self.levels[depth + 1].restrict(level, &here.residual, &mut next.f);
        }
        // A single cell: its equation is the solution.
        scratch[last].u.fill(0.0);
        self.levels[last].relax(Color::Red, &mut scratch[last].u, &scratch[last].f);
        for depth in (0..last).rev() {
            let (upper, lower) = scratch.split_at_mut(depth + 1);
            let here = &mut upper[depth];
            let level = &self.levels[depth];
            self.levels[depth + 1].prolongate(&lower[0].u, level, &mut here.u);
            for _ in 0..RELAXATIONS {
                level.relax(Color::Black, &mut here.u, &here.f);
                level.relax(Color::Red, &mut here.u, &here.f);
            }
        }
        &scratch[0].u
    }
}

impl Scratch {
    fn new(level: &Level) -> Self {
        let zeros = vec![0.0; level.width * level.height];
        Self { u: zeros.clone(), f: zeros.clone(), residual: zeros }
    }
}

/// At each unknown its source and the sum of its known neighbours.
fn right_hand_side(
    finest: &Level,
    known: &impl Fn(usize) -> f32,
    source: &impl Fn(usize) -> f32,
) -> Vec<f32> {
    let (width, height) = (finest.width, finest.height);
    let unknown = |at: usize| finest.diagonal[at] > 0.0;
    let mut sums = vec![0.0; width * height];
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            if !unknown(at) {
                continue;
            }
            sums[at] = source(at);
            let mut take = |inside: bool, other: usize| {
                if inside && !unknown(other) {
                    sums[at] += known(other);
                }
            };
            take(x > 0, at.wrapping_sub(1));
            take(x + 1 < width, at + 1);
            take(y > 0, at.wrapping_sub(width));
            take(y + 1 < height, at + width);
        }
    }
    sums
}

#[cfg(test)]
mod tests;
