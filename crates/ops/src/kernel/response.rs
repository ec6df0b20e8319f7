//! Local response normalisation and its gradient.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    lanes::{Task, dispatch},
    scratch::Buffer,
};

/// `x b^(-3/4)` of `b = bias + scale sum x^2`, the sum over `channels` neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response {
    pub(crate) window: usize,
    pub(crate) scale: f32,
    pub(crate) bias: f32,
}

/// Pixels that one task handles.
const SHARE: usize = 128;

/// The normalised map of pixels with so many channels.
pub(crate) fn forward(response: Response, channels: usize, x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(SHARE * channels)
        .zip(x.par_chunks(SHARE * channels))
        .for_each(|(y, x)| dispatch(Forward { response, channels, x, y }));
}

/// The gradient of the input.
pub(crate) fn gradient(response: Response, channels: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    dx.par_chunks_mut(SHARE * channels)
        .zip(x.par_chunks(SHARE * channels).zip(dy.par_chunks(SHARE * channels)))
        .for_each(|(dx, (x, dy))| dispatch(Gradient { response, channels, x, dy, dx }));
}

/// Values of one pixel between zeros, and their sums over each channel's window.
struct Neighbours {
    padded: Buffer,
    margin: usize,
    sums: Buffer,
}

impl Neighbours {
    fn new(window: usize, channels: usize) -> Self {
        let padded = Buffer::zeroed(channels + window - 1);
        Self { padded, margin: window / 2, sums: Buffer::uncleared(channels) }
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        let channels = self.sums.len();
        &mut self.padded[self.margin..][..channels]
    }

    #[inline(always)]
    fn sums(&mut self) -> &[f32] {
        let Self { padded, margin, sums } = self;
        let channels = sums.len();
        sums.copy_from_slice(&padded[..channels]);
        for shift in 1..=2 * *margin {
            for (sum, value) in sums.iter_mut().zip(&padded[shift..][..channels]) {
                *sum += value;
            }
        }
        sums
    }
}

/// `b^(-3/4)`.
#[inline(always)]
fn power(b: f32) -> f32 {
    let root = b.sqrt();
    1.0 / (root * root.sqrt())
}

struct Forward<'a> {
    response: Response,
    channels: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) {
        let Self { response: Response { window, scale, bias }, channels, x, y } = self;
        let mut squares = Neighbours::new(window, channels);
        for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
            for (square, x) in squares.values().iter_mut().zip(x) {
                *square = x * x;
            }
            for ((y, x), sum) in y.iter_mut().zip(x).zip(squares.sums()) {
                *y = x * power(scale.mul_add(*sum, bias));
            }
        }
    }
}

struct Gradient<'a> {
    response: Response,
    channels: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Task for Gradient<'_> {
    type Output = ();

    /// `dx = dy b^(-3/4) - 3/2 scale x sum (dy x b^(-7/4))`, the sum over the same neighbours.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, _: S) {
        let Self { response: Response { window, scale, bias }, channels, x, dy, dx } = self;
        let mut squares = Neighbours::new(window, channels);
        let mut terms = Neighbours::new(window, channels);
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(channels)) {
            for (square, x) in squares.values().iter_mut().zip(x) {
                *square = x * x;
            }
            let inputs = x.iter().zip(dy).zip(squares.sums());
            for ((dx, term), ((x, dy), sum)) in dx.iter_mut().zip(terms.values()).zip(inputs) {
                let b = scale.mul_add(*sum, bias);
                *dx = dy * power(b);
                *term = *dx * x / b;
            }
            for ((dx, x), sum) in dx.iter_mut().zip(x).zip(terms.sums()) {
                *dx -= 1.5 * scale * x * sum;
            }
        }
    }
}
