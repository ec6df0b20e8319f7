//! One value in, one value out.

use rayon::prelude::*;

/// Values that one task handles.
const SHARE: usize = 64 << 10;

/// Gradient before a leaky rectifier, from its output `y`: `dy`, times the slope where `y <= 0`.
pub(crate) fn ungate(y: &[f32], dy: &[f32], slope: f32, dx: &mut [f32]) {
    dx.par_chunks_mut(SHARE).zip(y.par_chunks(SHARE).zip(dy.par_chunks(SHARE))).for_each(|(dx, (y, dy))| {
        for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = if *y > 0.0 { *dy } else { *dy * slope };
        }
    });
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
pub(crate) fn adam(step: AdamStep, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
    let AdamStep { beta_1, beta_2, rate, correction, epsilon } = step;
    let moments = first.par_chunks_mut(SHARE).zip(second.par_chunks_mut(SHARE));
    weights.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE)).zip(moments).for_each(|((w, g), (m, v))| {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m = beta_1 * *m + (1.0 - beta_1) * g;
            *v = beta_2 * *v + (1.0 - beta_2) * g * g;
            *w -= rate * *m * correction / (v.sqrt() + epsilon * correction);
        }
    });
}
