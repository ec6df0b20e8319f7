//! One value in, one value out.

use pulp::Simd;
use rayon::prelude::*;

use super::lanes::{Task, dispatch};

/// Values that one task handles.
const SHARE: usize = 64 << 10;

/// Gradient before a leaky rectifier, from its output `y`: times the slope where `y <= 0`.
pub(crate) fn ungate(y: &[f32], slope: f32, gradient: &mut [f32]) {
    gradient
        .par_chunks_mut(SHARE)
        .zip(y.par_chunks(SHARE))
        .for_each(|(gradient, y)| dispatch(Ungate { y, slope, gradient }));
}

struct Ungate<'a> {
    y: &'a [f32],
    slope: f32,
    gradient: &'a mut [f32],
}

impl Task for Ungate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) {
        for (gradient, y) in self.gradient.iter_mut().zip(self.y) {
            *gradient *= if *y > 0.0 { 1.0 } else { self.slope };
        }
    }
}

/// Hyperbolic tangent.
pub(crate) fn tanh(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(SHARE).zip(x.par_chunks(SHARE)).for_each(|(y, x)| dispatch(Tanh { x, y }));
}

struct Tanh<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for Tanh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            // Beyond 10 the result is 1 to the last bit; NaN stays NaN.
            *y = 1.0 - 2.0 / (exponential(2.0 * x.clamp(-10.0, 10.0)) + 1.0);
        }
    }
}

/// `e^x` within a few units of the last place, for moderate `x`: `2^n e^r` with `|r| <= ln 2 / 2`, the
/// second factor by its Taylor series.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    // ln 2 in two parts, so that the remainder is exact.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let series = 1.0 / 5040.0;
    let series =
        [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0].iter().fold(series, |sum, part: &f32| sum * r + 1.0 / part);
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    series * power
}

/// Gradient of the hyperbolic tangent from its output.
pub(crate) fn tanh_gradient(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    dx.par_chunks_mut(SHARE).zip(y.par_chunks(SHARE).zip(dy.par_chunks(SHARE))).for_each(|(dx, (y, dy))| {
        for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = dy * (1.0 - y * y);
        }
    });
}

/// Pictures with their hidden part in one colour, channels last: `(1 - m) x + m colour`, from planes
/// `[batch, 3, pixels]` and masks `[batch, 1, pixels]`.
pub(crate) fn apply_mask(images: &[f32], masks: &[f32], colour: [f32; 3], pixels: usize, to: &mut [f32]) {
    let pictures = images.par_chunks(3 * pixels).zip(masks.par_chunks(pixels));
    to.par_chunks_mut(3 * pixels).zip(pictures).for_each(|(to, (image, mask))| {
        let (red, rest) = image.split_at(pixels);
        let (green, blue) = rest.split_at(pixels);
        let planes = red.iter().zip(green).zip(blue).zip(mask);
        for (to, (((red, green), blue), mask)) in to.chunks_exact_mut(3).zip(planes) {
            for ((to, value), colour) in to.iter_mut().zip([red, green, blue]).zip(colour) {
                *to = (1.0 - mask) * value + mask * colour;
            }
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
