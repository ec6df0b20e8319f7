//! Max pooling and its gradient.

use pulp::Simd;
use rayon::prelude::*;

use super::{
    lanes::{Lanes, Task, dispatch, load_first, store_first},
    map::{Sink, Source},
};
use crate::ConvGeometry;

/// The map `small` of the largest values of `large`.
pub(crate) fn max(large: Source<'_>, window: ConvGeometry, small: Sink) {
    let lines = small.shape.batch * small.shape.height;
    (0..lines).into_par_iter().for_each(|line| dispatch(Max { large, window, small, line }));
}

/// One line of the small map.
struct Max<'a> {
    large: Source<'a>,
    window: ConvGeometry,
    small: Sink,
    line: usize,
}

/// The corner of a window in the large map.
#[inline(always)]
fn corner(window: ConvGeometry, y: usize, x: usize) -> [isize; 2] {
    [y, x].map(|at| (at * window.stride) as isize - window.padding as isize)
}

impl Task for Max<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let Self { large, window, small, line } = self;
        let (picture, y) = (line / small.shape.height, line % small.shape.height);
        let channels = small.shape.channels;
        for x in 0..small.shape.width {
            let [top, left] = corner(window, y, x);
            let to = small.pixel(picture, y, x);
            for first in (0..channels).step_by(S::F32_LANES) {
                let left_over = channels - first;
                let mut most = simd.splat_f32s(f32::NEG_INFINITY);
                for row in 0..window.kernel as isize {
                    for column in 0..window.kernel as isize {
                        let pixel = large.pixel(picture, top + row, left + column);
                        if !pixel.is_null() {
                            // SAFETY: each pixel has its channels.
                            let value = unsafe { load_first(simd, pixel.add(first), left_over) };
                            most = simd.max_f32s(most, value);
                        }
                    }
                }
                // SAFETY: the pixel has its channels, and this task alone writes its line.
                unsafe { store_first(simd, to.add(first), left_over, most) }
            }
        }
    }
}

/// Registers of channels that one task handles.
const SHARE: usize = 4;

/// The gradient of the large map: that of each small value goes to the first large one that it is.
pub(crate) fn gradient(
    large: Source<'_>,
    small: Source<'_>,
    small_gradient: Source<'_>,
    window: ConvGeometry,
    large_gradient: Sink,
) {
    let share = SHARE * Lanes::detect().width;
    let shares = large.shape.channels.div_ceil(share);
    (0..large.shape.batch * shares).into_par_iter().for_each(|task| {
        let (picture, first) = (task / shares, task % shares * share);
        let last = (first + share).min(large.shape.channels);
        dispatch(Gradient {
            large,
            small,
            small_gradient,
            window,
            large_gradient,
            picture,
            channels: (first, last),
        });
    });
}

/// Some channels of one picture.
struct Gradient<'a> {
    large: Source<'a>,
    small: Source<'a>,
    small_gradient: Source<'a>,
    window: ConvGeometry,
    large_gradient: Sink,
    picture: usize,
    channels: (usize, usize),
}

impl Task for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const HALF: usize>(self, simd: S) {
        let Self { large, small, small_gradient, window, large_gradient, picture, channels } = self;
        let zero = simd.splat_f32s(0.0);
        let chunks = || (channels.0..channels.1).step_by(S::F32_LANES);
        for y in 0..large.shape.height {
            for x in 0..large.shape.width {
                let to = large_gradient.pixel(picture, y, x);
                for first in chunks() {
                    // SAFETY: the pixel has these channels, which this task alone writes.
                    unsafe { store_first(simd, to.add(first), channels.1 - first, zero) }
                }
            }
        }
        for y in 0..small.shape.height {
            for x in 0..small.shape.width {
                let [top, left] = corner(window, y, x);
                let most = small.pixel(picture, y as isize, x as isize);
                let slope = small_gradient.pixel(picture, y as isize, x as isize);
                for first in chunks() {
                    let count = channels.1 - first;
                    // SAFETY: each pixel has these channels; this task alone writes them.
                    unsafe {
                        let most = load_first(simd, most.add(first), count);
                        // What has not found its value yet.
                        let mut slope = load_first(simd, slope.add(first), count);
                        for row in 0..window.kernel as isize {
                            for column in 0..window.kernel as isize {
                                let (row, column) = (top + row, left + column);
                                let pixel = large.pixel(picture, row, column);
                                if pixel.is_null() {
                                    continue;
                                }
                                let value = load_first(simd, pixel.add(first), count);
                                let found = simd.greater_than_or_equal_f32s(value, most);
                                let to = large_gradient.pixel(picture, row as usize, column as usize);
                                let to = to.add(first);
                                let sum = load_first(simd, to, count);
                                let sum = simd.add_f32s(sum, simd.select_f32s(found, slope, zero));
                                store_first(simd, to, count, sum);
                                slope = simd.select_f32s(found, zero, slope);
                            }
                        }
                    }
                }
            }
        }
    }
}
