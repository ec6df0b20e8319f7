//! An image with its hidden part filled smoothly, from what surrounds it.

use burn::tensor::Tensor;

use crate::{dispatch::Implementation, pointwise::assert_mask_shape};

/// Steps of relaxation on every level of the pyramid, each with its weight: Chebyshev's for Jacobi's
/// iteration on errors between 0.02 and 2 times its step, `1 / (1.01 - 0.99 cos((2 k + 1) pi / 8))`. On a
/// square hole of half the side they come within 0.1 dB of the exact solution.
pub const RELAXATION_WEIGHTS: [f32; 4] = [10.486_658, 1.584_426, 0.720_017, 0.519_577];

/// The visible pixels as they are, and through the hidden ones a surface with few bends: an approximate
/// solution of Laplace's equation with the visible pixels as its boundary and no gradient across the image's
/// border.
///
/// Coarse to fine: visible pixels are averaged down a pyramid of halves; from the top, each level takes the
/// one above it, bilinearly, where nothing is visible, and relaxes towards the mean of its four neighbors.
/// No gradients go through it. Where nothing at all is visible the surface is zero.
///
/// # Shapes
/// - `images`: `[batch, 3, height, width]`, `masks`: `[batch, 1, height, width]`, 1 = hidden, 0 = visible
/// - output: `[batch, 3, height, width]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let picture = Tensor::<4>::full([1, 3, 16, 16], 0.25, &device);
/// let hole = Tensor::<4>::zeros([1, 1, 16, 16], &device).slice_fill([0..1, 0..1, 4..12, 4..12], 1.0);
/// let filled = context_encoder_ops::smooth_fill(picture.clone() * (-hole.clone() + 1.0), hole);
/// assert!((filled - picture).abs().max().into_scalar::<f32>() < 1e-6);
/// ```
///
/// # Panics
/// When the shapes do not belong together.
pub fn smooth_fill(images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    assert_mask_shape(&images, &masks);
    let [_, _, height, width] = images.dims();
    if images.is_autodiff() {
        return smooth_fill(images.inner(), masks.inner()).autodiff();
    }
    match Implementation::of(&images) {
        #[cfg(feature = "flex")]
        Implementation::Cpu => {
            crate::cpu::smooth_fill(images, masks, levels(height, width), &RELAXATION_WEIGHTS)
        }
        _ => reference(images, masks),
    }
}

fn reference(images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
    // Down: sums of what is visible, and how much is. All sums are halved twice, which their ratio does not
    // show.
    let visible = masks.neg().add_scalar(1.0);
    let mut levels = vec![(images * visible.clone(), visible)];
    let [_, _, height, width] = levels[0].0.dims();
    for _ in 1..self::levels(height, width) {
        let (color, visible) = &levels[levels.len() - 1];
        levels.push((halved(color.clone()), halved(visible.clone())));
    }
    // Up: at the top, everything starts from the mean of what is visible.
    let mut above: Option<Tensor<4>> = None;
    for (color, visible) in levels.into_iter().rev() {
        let [batch, channels, height, width] = color.dims();
        let guess = match above {
            Some(above) => doubled(above),
            None => {
                let sum = |x: Tensor<4>| x.sum_dim(2).sum_dim(3);
                ratio(sum(color.clone()), sum(visible.clone())).expand([batch, channels, height, width])
            }
        };
        let hidden = visible.clone().equal_elem(0.0).float();
        let known = ratio(color, visible) * hidden.clone().neg().add_scalar(1.0);
        let surface = known + guess * hidden.clone();
        let relax =
            |x: Tensor<4>, &weight: &f32| x.clone() + (neighbors(&x) - x) * hidden.clone().mul_scalar(weight);
        above = Some(RELAXATION_WEIGHTS.iter().fold(surface, relax));
    }
    above.unwrap_or_else(|| unreachable!("the image itself is a level"))
}

/// Levels of the pyramid: sides are halved as long as both are even.
fn levels(height: usize, width: usize) -> usize {
    match height.min(width) {
        0 => 1,
        _ => 1 + height.trailing_zeros().min(width.trailing_zeros()) as usize,
    }
}

/// Means of squares of 2x2.
fn halved(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let squares = x.reshape([batch, channels, height / 2, 2, width / 2, 2]);
    squares.mean_dim(3).mean_dim(5).reshape([batch, channels, height / 2, width / 2])
}

/// Twice the size, bilinearly: three quarters of a pixel and one of the next.
fn doubled(x: Tensor<4>) -> Tensor<4> {
    let along = |x: Tensor<4>, dim: usize| {
        let (before, after) = beside(&x, dim);
        let with = |other: Tensor<4>| x.clone().mul_scalar(0.75) + other.mul_scalar(0.25);
        let mut dims = x.dims();
        dims[dim] *= 2;
        Tensor::stack::<5>(vec![with(before), with(after)], dim + 1).reshape(dims)
    };
    along(along(x, 2), 3)
}

/// `sum / weight`, zero where there is no weight.
fn ratio(sum: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    let nothing = weight.clone().equal_elem(0.0).float();
    sum / (weight + nothing)
}

/// The mean of the four neighbors.
fn neighbors(x: &Tensor<4>) -> Tensor<4> {
    let (above, below) = beside(x, 2);
    let (left, right) = beside(x, 3);
    ((above + below) + (left + right)).mul_scalar(0.25)
}

/// The neighbors before and after along a side; beyond the border lies the border.
fn beside(x: &Tensor<4>, dim: usize) -> (Tensor<4>, Tensor<4>) {
    let size = x.dims()[dim];
    if size == 1 {
        return (x.clone(), x.clone());
    }
    let part = |start: usize, length: usize| x.clone().narrow(dim, start, length);
    (
        Tensor::cat(vec![part(0, 1), part(0, size - 1)], dim),
        Tensor::cat(vec![part(1, size - 1), part(size - 1, 1)], dim),
    )
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{assert_close, noise};

    fn hole([height, width]: [usize; 2], top: usize, left: usize, device: &Device) -> Tensor<4> {
        let hole = [0..1, 0..1, top..top + height / 2, left..left + width / 2];
        Tensor::<4>::zeros([1, 1, height, width], device).slice_fill(hole, 1.0)
    }

    #[test]
    fn smooth_fill_matches_reference_at_any_size_and_hole() {
        let device = Device::flex();
        for [height, width] in [[64, 64], [16, 40], [12, 6], [7, 5], [2, 1], [1, 1]] {
            let images = noise([3, 3, height, width], 1, &device);
            let random = noise([1, 1, height, width], 2, &device).greater_elem(0.2).float();
            let nothing = Tensor::zeros([1, 1, height, width], &device);
            let masks = Tensor::cat(vec![hole([height, width], height / 4, 0, &device), random, nothing], 0);
            let filled = smooth_fill(images.clone(), masks.clone());
            assert_close(filled, reference(images, masks), 1e-5, format_args!("{height}x{width}"));
        }
    }

    #[test]
    fn smooth_fill_keeps_visible_pixels_and_continues_a_ramp() {
        let device = Device::flex();
        let ramp: Vec<f32> = (0..32 * 32).map(|i| (i % 32) as f32 / 16.0 - 1.0).collect();
        let ramp = Tensor::<1>::from_floats(ramp.as_slice(), &device).reshape([1, 1, 32, 32]);
        let ramp = ramp.expand([1, 3, 32, 32]);
        let hole = hole([32, 32], 8, 8, &device);
        let masked = ramp.clone() * (-hole.clone() + 1.0);
        let filled = smooth_fill(masked, hole.clone());
        let apart = (filled - ramp).abs();
        let outside: f32 = (apart.clone() * (-hole + 1.0)).max().into_scalar();
        assert_eq!(outside, 0.0);
        let inside: f32 = apart.max().into_scalar();
        assert!(inside < 0.05, "{inside}"); // four steps a level, and two from left to right
    }

    #[test]
    fn smooth_fill_is_zero_where_nothing_is_visible() {
        let device = Device::flex();
        let filled = smooth_fill(noise([1, 3, 8, 8], 1, &device), Tensor::ones([1, 1, 8, 8], &device));
        assert_eq!(filled.abs().max().into_scalar::<f32>(), 0.0);
    }

    #[test]
    fn smooth_fill_has_no_gradient() {
        let device = Device::flex().autodiff();
        let images = noise::<4>([1, 3, 8, 8], 1, &device).require_grad();
        let weight = Tensor::<4>::ones([1, 3, 8, 8], &device).require_grad();
        let grads =
            (smooth_fill(images.clone(), hole([8, 8], 2, 2, &device)) * weight.clone()).sum().backward();
        assert!(images.grad(&grads).is_none() && weight.grad(&grads).is_some());
    }
}
