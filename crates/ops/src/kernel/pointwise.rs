//! One value in, one value out.

use pulp::Simd;
use rayon::prelude::*;

use super::lanes::{Task, dispatch};

/// Values that one task handles.
const SHARE: usize = 64 << 10;

/// Gradient before a leaky rectifier, from its output `y`: `dy`, times the slope where `y <= 0`.
pub(crate) fn ungate(y: &[f32], dy: &[f32], slope: f32, dx: &mut [f32]) {
    dx.par_chunks_mut(SHARE).zip(y.par_chunks(SHARE).zip(dy.par_chunks(SHARE))).for_each(|(dx, (y, dy))| {
        dispatch(Ungate { y, dy, slope, dx });
    });
}

struct Ungate<'a> {
    y: &'a [f32],
    dy: &'a [f32],
    slope: f32,
    dx: &'a mut [f32],
}

impl Task for Ungate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) {
        for ((dx, y), dy) in self.dx.iter_mut().zip(self.y).zip(self.dy) {
            *dx = if *y > 0.0 { *dy } else { *dy * self.slope };
        }
    }
}

/// Constants of one step of Adam (Kingma and Ba, algorithm 1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub(crate) beta_1: f32,
    pub(crate) beta_2: f32,
    /// Learning rate over `1 - beta_1^t`.
    pub(crate) rate: f32,
    /// `sqrt(1 - beta_2^t)`.
    pub(crate) correction: f32,
    pub(crate) epsilon: f32,
}

/// Moves the weights and both moments in one pass.
pub(crate) fn adam(
    step: AdamStep,
    weights: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let moments = first.par_chunks_mut(SHARE).zip(second.par_chunks_mut(SHARE));
    weights.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE)).zip(moments).for_each(
        |((weights, gradient), (first, second))| dispatch(Move { step, weights, gradient, first, second }),
    );
}

struct Move<'a> {
    step: AdamStep,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Task for Move<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) {
        let AdamStep { beta_1, beta_2, rate, correction, epsilon } = self.step;
        let moments = self.first.iter_mut().zip(self.second);
        for ((w, g), (m, v)) in self.weights.iter_mut().zip(self.gradient).zip(moments) {
            *m = beta_1 * *m + (1.0 - beta_1) * g;
            *v = beta_2 * *v + (1.0 - beta_2) * g * g;
            *w -= rate * correction * *m / (v.sqrt() + epsilon * correction);
        }
    }
}
