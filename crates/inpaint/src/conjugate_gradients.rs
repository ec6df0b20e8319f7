//! The method of conjugate gradients, for every linear system of this crate.

use rayon::prelude::*;

/// The error's energy (for Laplace's equation the integral of its squared gradient) may be this part of the
/// first guess's.
const TOLERANCE: f64 = 1e-12;

/// Values that one task works on. Fixed, so that sums do not depend on the number of threads.
pub(crate) const CHUNK: usize = 1 << 14;

/// A symmetric positive definite matrix, and something like its inverse.
pub(crate) trait System {
    /// More iterations than any hole needs; only rounding could ask for them.
    const MAX_ITERATIONS: usize;

    /// The matrix times `u`, into `product`.
    fn apply(&self, u: &[f32], product: &mut [f32]);

    /// An approximate solution for a right-hand side.
    fn precondition(&mut self, right_hand_side: &[f32]) -> &[f32];
}

/// The solution for a right-hand side, and how many iterations it took.
pub(crate) fn conjugate_gradients<S: System>(system: &mut S, right_hand_side: Vec<f32>) -> (Vec<f32>, usize) {
    let mut residual = right_hand_side; // the first guess is zero
    let mut u = vec![0.0; residual.len()];
    let mut product = vec![0.0; residual.len()];
    let mut direction = system.precondition(&residual).to_vec();
    let mut energy = dot(&residual, &direction);
    let enough = energy * TOLERANCE;
    let mut iterations = 0;
    while energy > enough && iterations < S::MAX_ITERATIONS {
        iterations += 1;
        system.apply(&direction, &mut product);
        let alpha = (energy / dot(&direction, &product)) as f32;
        axpy(&mut u, alpha, &direction);
        axpy(&mut residual, -alpha, &product);
        let preconditioned = system.precondition(&residual);
        let next = dot(&residual, preconditioned);
        let beta = (next / energy) as f32;
        direction.par_chunks_mut(CHUNK).zip(preconditioned.par_chunks(CHUNK)).for_each(|(d, z)| {
            d.iter_mut().zip(z).for_each(|(d, z)| *d = z + beta * *d);
        });
        energy = next;
    }
    (u, iterations)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let partial =
        |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let partial_sums: Vec<f64> = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)).map(partial).collect();
    partial_sums.iter().sum()
}

/// `to += factor from`.
fn axpy(to: &mut [f32], factor: f32, from: &[f32]) {
    to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
    });
}
