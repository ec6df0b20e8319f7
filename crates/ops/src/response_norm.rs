//! Local response normalisation, AlexNet's way to let neighbouring channels compete.

use burn::tensor::Tensor;

use crate::{implementation::Implementation, plain};

/// `x / (bias + alpha / n sum x^2)^(3/4)`, the sum over the `n` channels around each one, as far as
/// there are any (Krizhevsky et al., 2012, section 3.3, with the mean that later libraries take for
/// the sum).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::LocalResponseNorm;
///
/// let norm = LocalResponseNorm { channels: 3, alpha: 3.0, bias: 1.0 };
/// let x = Tensor::<4>::from_floats([[[[0.0]], [[1.0]], [[2.0]], [[3.0]]]], &Device::default());
/// let y: Vec<f32> = norm.forward(x).into_data().try_to_vec().expect("f32");
/// for (y, expected) in y.into_iter().zip([0.0, 1.0 / 6_f32.powf(0.75), 2.0 / 15_f32.powf(0.75)]) {
///     assert!((y - expected).abs() < 1e-6); // 1 + 0 + 1 + 4, and 1 + 1 + 4 + 9
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    /// Channels of the window, odd.
    pub channels: usize,
    /// Weight of their mean square.
    pub alpha: f64,
    /// Added to it.
    pub bias: f64,
}

impl LocalResponseNorm {
    /// The exponent.
    pub const EXPONENT: f64 = 0.75;

    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    ///
    /// # Panics
    /// When the window has no channel in its middle.
    pub fn forward(self, x: Tensor<4>) -> Tensor<4> {
        assert!(self.channels % 2 == 1, "a window of {} channels has no middle", self.channels);
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Optimized => crate::flex::response_norm(self, x),
            _ => plain::response_norm(self, x),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::{difference, noise};

    #[test]
    fn response_norm_is_its_plain_form() {
        let device = Device::flex().autodiff();
        for (norm, dims) in [
            (LocalResponseNorm { channels: 5, alpha: 1e-4, bias: 1.0 }, [2, 96, 9, 7]), // AlexNet's
            (LocalResponseNorm { channels: 5, alpha: 3.0, bias: 2.0 }, [3, 37, 5, 7]),
            (LocalResponseNorm { channels: 3, alpha: 0.7, bias: 1.0 }, [1, 2, 40, 30]), // fewer channels than the window
            (LocalResponseNorm { channels: 1, alpha: 2.0, bias: 0.5 }, [2, 19, 3, 3]),
        ] {
            let x = (noise(dims, 1, &device) * 4.0).detach().require_grad();
            let dy = noise(dims, 2, &device);
            let run = |y: Tensor<4>| {
                let grads = (y.clone() * dy.clone()).sum().backward();
                (y, x.grad(&grads).expect("tracked"))
            };
            let (fast, plain) = (run(norm.forward(x.clone())), run(plain::response_norm(norm, x.clone())));
            for (what, apart, limit) in
                [("output", difference(fast.0, plain.0), 1e-5), ("x", difference(fast.1, plain.1), 1e-4)]
            {
                assert!(apart < limit, "{norm:?} of {dims:?}: {what} differs by {apart}");
            }
        }
    }

    #[test]
    fn the_gradient_is_the_slope() {
        let device = Device::flex().autodiff();
        let norm = LocalResponseNorm { channels: 3, alpha: 2.0, bias: 1.0 };
        let values = [0.5_f32, -1.0, 2.0, 0.7, -0.3];
        let weights = [1.0_f32, 0.3, -0.7, 2.0, -1.1];
        let map = |values: [f32; 5]| Tensor::<1>::from_floats(values, &device).reshape([1, 5, 1, 1]);
        let loss = |values| (norm.forward(map(values)) * map(weights)).sum().into_scalar::<f32>();
        let x = map(values).require_grad();
        let grads = (norm.forward(x.clone()) * map(weights)).sum().backward();
        let dx: Vec<f32> = x.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        for (channel, slope) in dx.into_iter().enumerate() {
            let moved = |step: f32| {
                let mut values = values;
                values[channel] += step;
                loss(values)
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - expected).abs() < 2e-3, "channel {channel}: {slope} is not {expected}");
        }
    }
}
