//! Batch norm with the activation behind it, as training sees it.

use burn::tensor::Tensor;

use crate::{Activation, form::Form, plain};

/// A normalised map, and the statistics it was normalised with.
pub struct Normalised {
    /// `[batch, channels, height, width]`
    pub output: Tensor<4>,
    /// Mean of every channel over the batch, no gradient.
    pub mean: Tensor<1>,
    /// Variance of every channel over the batch, divided by the count, no gradient.
    pub variance: Tensor<1>,
}

/// `activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`, the moments taken over batch,
/// height and width (Ioffe and Szegedy, 2015).
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`; `gamma`, `beta`: `[channels]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, normalise};
///
/// let device = Device::default();
/// let x = Tensor::<4>::from_floats([[[[1.0]]], [[[3.0]]]], &device);
/// let ones = Tensor::<1>::ones([1], &device);
/// let y = normalise(x, ones.clone(), ones.zeros_like(), 0.0, Activation::Relu);
/// assert_eq!(y.mean.into_scalar::<f32>(), 2.0);
/// assert_eq!(y.output.into_data().try_to_vec::<f32>().expect("f32"), [0.0, 1.0]);
/// ```
///
/// # Panics
/// When the shapes do not belong together.
pub fn normalise(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Normalised {
    let [_, channels, _, _] = x.dims();
    assert!(
        gamma.dims() == [channels] && beta.dims() == [channels],
        "gamma {:?} and beta {:?} do not belong to {channels} channels",
        gamma.dims(),
        beta.dims()
    );
    match Form::of(&x) {
        #[cfg(feature = "flex")]
        Form::Fast => crate::flex::normalise(x, gamma, beta, epsilon, activation),
        _ => plain::normalise(x, gamma, beta, epsilon, activation),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::{difference, noise};

    #[test]
    fn batch_norm_is_its_plain_form() {
        let device = Device::flex().autodiff();
        for (dims, activation) in [
            ([3, 37, 5, 7], Activation::LeakyRelu(0.2)),
            ([2, 64, 16, 16], Activation::Relu),
            ([4, 3, 1, 1], Activation::Identity),
            ([1, 700, 9, 3], Activation::Relu), // several blocks, the last one short
        ] {
            let channels = dims[1];
            // Far from zero, where a careless variance would cancel.
            let x = (noise(dims, 1, &device) * 3.0 + 20.0).detach().require_grad();
            let gamma = (noise([channels], 2, &device) + 1.0).detach().require_grad();
            let beta = noise([channels], 3, &device).require_grad();
            let dy = noise(dims, 4, &device);
            let run = |fast: bool| {
                let (x, gamma, beta) = (x.clone(), gamma.clone(), beta.clone());
                let form = if fast { normalise } else { plain::normalise };
                let y = form(x.clone(), gamma.clone(), beta.clone(), 1e-5, activation);
                let grads = (y.output.clone() * dy.clone()).sum().backward();
                let dx = x.grad(&grads).expect("tracked");
                let slopes = [gamma, beta].map(|slope| slope.grad(&grads).expect("tracked"));
                (y, dx, slopes)
            };
            let (fast, plain) = (run(true), run(false));
            for (what, apart, limit) in [
                ("output", difference(fast.0.output, plain.0.output), 2e-5),
                ("mean", difference(fast.0.mean, plain.0.mean), 1e-5),
                ("variance", difference(fast.0.variance, plain.0.variance), 1e-5),
                ("x", difference(fast.1, plain.1), 1e-4),
            ] {
                assert!(apart < limit, "{dims:?}: {what} differs by {apart}");
            }
            for (fast, plain) in fast.2.into_iter().zip(plain.2) {
                let apart = difference(fast, plain);
                assert!(apart < 1e-4, "{dims:?}: slopes differ by {apart}");
            }
        }
    }
}
