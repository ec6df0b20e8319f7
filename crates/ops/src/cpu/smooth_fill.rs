//! Smooth surfaces through holes, image by image.

use burn::{backend::Flex, tensor::Tensor};
use pulp::Simd;
use rayon::prelude::*;

use super::{
    feature_map::{FeatureMap, Shape, slice},
    simd::{SimdKernel, dispatch},
};
use crate::autograd::KernelBackend;

/// Images with their hidden part filled smoothly over a pyramid of `levels`, relaxed on each by steps with
/// these weights. For tensors without autodiff.
pub(crate) fn smooth_fill(
    images: Tensor<4>,
    masks: Tensor<4>,
    levels: usize,
    relaxation: &[f32],
) -> Tensor<4> {
    let [batch, channels, height, width] = images.dims();
    let (planes, hidden) = (Flex::primitive(images).to_contiguous(), Flex::primitive(masks).to_contiguous());
    let shape = Shape { batch, height, width, channels };
    let pixels = height * width;
    let filled = FeatureMap::compute(shape, |to| {
        let planes = slice(&planes).par_chunks(3 * pixels).zip(slice(&hidden).par_chunks(pixels));
        to.par_chunks_mut(3 * pixels).zip(planes).for_each(|(to, (image, mask))| {
            let pyramid = Pyramid::new(mask, [height, width], levels);
            for (channel, plane) in image.chunks_exact(pixels).enumerate() {
                let surface = pyramid.fill(plane, relaxation);
                for (to, value) in to.chunks_exact_mut(3).zip(surface) {
                    to[channel] = value;
                }
            }
        });
    });
    Flex::from_primitive(filled.into_tensor())
}

/// What is visible of an image, from its own size to the smallest.
struct Pyramid {
    levels: Vec<Level>,
}

struct Level {
    size: [usize; 2],
    /// Fraction of every cell that is visible.
    visible: Vec<f32>,
    /// 1 where nothing is visible, 0 elsewhere.
    hidden: Vec<f32>,
}

impl Pyramid {
    fn new(mask: &[f32], size: [usize; 2], count: usize) -> Self {
        let visible = mask.iter().map(|hidden| 1.0 - hidden).collect();
        let mut levels = vec![Level::new(size, visible)];
        for level in 1..count {
            let below = &levels[level - 1];
            levels.push(Level::new(below.size.map(|side| side / 2), halved(&below.visible, below.size)));
        }
        Self { levels }
    }

    /// One plane, filled.
    fn fill(&self, plane: &[f32], relaxation: &[f32]) -> Vec<f32> {
        let first = &self.levels[0];
        let mut sums = vec![plane.iter().zip(&first.visible).map(|(x, v)| x * v).collect::<Vec<f32>>()];
        for level in &self.levels[..self.levels.len() - 1] {
            sums.push(halved(&sums[sums.len() - 1], level.size));
        }
        let mut above: Option<(Vec<f32>, [usize; 2])> = None;
        for (level, sum) in self.levels.iter().zip(sums).rev() {
            let guess = match above {
                Some((above, size)) => doubled(&above, size),
                None => {
                    let mean = ratio(sum.iter().sum(), level.visible.iter().sum());
                    vec![mean; sum.len()]
                }
            };
            let known = sum.iter().zip(&level.visible).map(|(&sum, &visible)| ratio(sum, visible));
            let mut surface: Vec<f32> = known
                .zip(guess.iter().zip(&level.hidden))
                .map(|(known, (guess, hidden))| known * (1.0 - hidden) + guess * hidden)
                .collect();
            let mut before = guess; // its memory
            for &weight in relaxation {
                std::mem::swap(&mut surface, &mut before);
                dispatch(Relax { weight, level, before: &before, after: &mut surface });
            }
            above = Some((surface, level.size));
        }
        above.map(|(surface, _)| surface).unwrap_or_default()
    }
}

impl Level {
    fn new(size: [usize; 2], visible: Vec<f32>) -> Self {
        let hidden = visible.iter().map(|&visible| f32::from(u8::from(visible == 0.0))).collect();
        Self { size, visible, hidden }
    }
}

/// `sum / weight`, zero where there is no weight.
fn ratio(sum: f32, weight: f32) -> f32 {
    if weight == 0.0 { 0.0 } else { sum / weight }
}

/// Means of squares of 2x2.
fn halved(plane: &[f32], [_, width]: [usize; 2]) -> Vec<f32> {
    let mean = |rows: &[f32]| -> Vec<f32> {
        let (upper, lower) = rows.split_at(width);
        let squares = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        squares.map(|(upper, lower)| 0.25 * ((upper[0] + lower[0]) + (upper[1] + lower[1]))).collect()
    };
    plane.chunks_exact(2 * width).flat_map(mean).collect()
}

/// Twice the size, bilinearly: three quarters of a pixel and one of the next.
fn doubled(plane: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let mut large = Vec::with_capacity(4 * height * width);
    let mut row = vec![0.0; width];
    for y in 0..2 * height {
        let (near, far) = pair(y, height);
        let (near, far) = (&plane[near * width..][..width], &plane[far * width..][..width]);
        for ((row, near), far) in row.iter_mut().zip(near).zip(far) {
            *row = 0.75 * near + 0.25 * far;
        }
        large.extend((0..2 * width).map(|x| {
            let (near, far) = pair(x, width);
            0.75 * row[near] + 0.25 * row[far]
        }));
    }
    large
}

/// The nearest cell above a doubled one, and the next to it; beyond the border lies the border.
fn pair(doubled: usize, size: usize) -> (usize, usize) {
    let near = doubled / 2;
    let far = if doubled.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(size - 1) };
    (near, far)
}

/// One step of relaxation towards the mean of the neighbors, where cells are hidden.
struct Relax<'a> {
    weight: f32,
    level: &'a Level,
    before: &'a [f32],
    after: &'a mut [f32],
}

impl SimdKernel for Relax<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        let [height, width] = self.level.size;
        let row = |y: usize| &self.before[y * width..][..width];
        for (y, to) in self.after.chunks_exact_mut(width).enumerate() {
            let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
            let hidden = &self.level.hidden[y * width..][..width];
            let cell = |x: usize, left: f32, right: f32| {
                let mean = 0.25 * ((above[x] + below[x]) + (left + right));
                here[x] + (mean - here[x]) * (hidden[x] * self.weight)
            };
            for x in 1..width.saturating_sub(1) {
                to[x] = cell(x, here[x - 1], here[x + 1]);
            }
            for x in [0, width - 1] {
                to[x] = cell(x, here[x.saturating_sub(1)], here[(x + 1).min(width - 1)]);
            }
        }
    }
}
