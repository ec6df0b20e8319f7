//! Images brought to another size, with a gradient on every device.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{dispatch::Implementation, in_32_bits};

/// Bilinear interpolation to squares of `side`, pixels at the centres of their squares (PyTorch's
/// `align_corners=False`).
///
/// Burn's own interpolation has no gradient on graphics cards (0.22.1).
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels, side, side]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<4>::from_floats([[[[0.0, 4.0]]]], &Device::default());
/// let y: Vec<f32> = context_encoder_ops::resize(x, 4).into_data().try_to_vec().expect("f32");
/// assert_eq!(y[..4], [0.0, 1.0, 3.0, 4.0]);
/// ```
pub fn resize(x: Tensor<4>, side: usize) -> Tensor<4> {
    let x = in_32_bits(x);
    match Implementation::of(&x) {
        #[cfg(feature = "cube")]
        Implementation::Cube => crate::cube::resize(x, side),
        _ => reference(x, side),
    }
}

/// A product from either side with fixed weights, at most two of which in a row are not zero.
fn reference(x: Tensor<4>, side: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let device = x.device();
    let rows = weights(height, side, &device); // [side, height]
    let columns = weights(width, side, &device).swap_dims(0, 1); // [width, side]
    rows.unsqueeze::<4>().matmul(x.matmul(columns.unsqueeze())) // [batch, channels, side, side]
}

/// How much of each of `from` pixels is in each of `to`, `[to, from]`.
fn weights(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut weights = vec![0.0; to * from];
    for (pixel, row) in weights.chunks_exact_mut(from).enumerate() {
        let place = ((pixel as f32 + 0.5) * from as f32 / to as f32 - 0.5).max(0.0);
        let before = (place as usize).min(from - 1);
        let fraction = place - before as f32;
        row[before] += 1.0 - fraction;
        row[(before + 1).min(from - 1)] += fraction;
    }
    Tensor::from_data(TensorData::new(weights, [to, from]), device)
}

#[cfg(test)]
mod tests {
    use burn::nn::interpolate::{Interpolate2dConfig, InterpolateMode};

    use super::*;

    fn image(dims: [usize; 4], device: &Device) -> Tensor<4> {
        let pixels: Vec<f32> =
            (0..dims.iter().product()).map(|i| ((i * 37 + 11) % 101) as f32 / 50.5 - 1.0).collect();
        Tensor::from_data(TensorData::new(pixels, dims), device)
    }

    /// Larger, smaller and not at all; output and gradient against Burn's.
    #[test]
    fn resize_matches_bilinear_interpolation() {
        let device = Device::flex().autodiff();
        for ([height, width], side) in
            [([161, 161], 227), ([5, 9], 13), ([12, 7], 5), ([6, 6], 6), ([1, 2], 4)]
        {
            let x = image([2, 3, height, width], &device).require_grad();
            let dy = image([2, 3, side, side], &device);
            let config = Interpolate2dConfig::new().with_output_size(Some([side, side]));
            let burn = config.with_mode(InterpolateMode::Linear).with_align_corners(false).init();
            let [ours, theirs] = [resize(x.clone(), side), burn.forward(x.clone())].map(|y| {
                let gradients = (y.clone() * dy.clone()).sum().backward();
                (y, x.grad(&gradients).expect("tracked"))
            });
            for (what, apart) in
                [("output", (ours.0 - theirs.0).detach()), ("gradient", ours.1 - theirs.1.clone())]
            {
                let apart: f32 = apart.abs().max().into_scalar();
                assert!(apart < 2e-5, "{height}x{width} to {side}: {what} differs by {apart}");
            }
        }
    }
}
