//! Local response normalization (AlexNet), across neighboring channels.

use burn::tensor::Tensor;

use crate::{dispatch::Implementation, in_32_bits};

/// `x / (k + alpha / n sum x^2)^(3/4)`, the sum over the `n` channels around each one, as far as there are
/// any (Krizhevsky et al., 2012, section 3.3, with the mean that later libraries take for the sum). Names as
/// in PyTorch.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::LocalResponseNorm;
///
/// let norm = LocalResponseNorm { size: 3, alpha: 3.0, k: 1.0 };
/// let x = Tensor::<4>::from_floats([[[[0.0]], [[1.0]], [[2.0]], [[3.0]]]], &Device::default());
/// let y: Vec<f32> = norm.forward(x).into_data().try_to_vec().expect("f32");
/// for (y, expected) in y.into_iter().zip([0.0, 1.0 / 6_f32.powf(0.75), 2.0 / 15_f32.powf(0.75)]) {
///     assert!((y - expected).abs() < 1e-6); // 1 + 0 + 1 + 4, and 1 + 1 + 4 + 9
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    /// Neighboring channels in each sum, odd.
    pub size: usize,
    /// Weight of their mean square.
    pub alpha: f64,
    /// Added to it.
    pub k: f64,
}

impl LocalResponseNorm {
    /// The exponent.
    pub const BETA: f64 = 0.75;

    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    ///
    /// # Panics
    /// When the size is even.
    pub fn forward(self, x: Tensor<4>) -> Tensor<4> {
        assert!(self.size % 2 == 1, "a window of {} channels has no middle", self.size);
        let x = in_32_bits(x);
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Cpu => crate::cpu::local_response_norm(x, self.size, self.scale(), self.k as f32),
            #[cfg(feature = "cube")]
            Implementation::Cube => {
                crate::cube::local_response_norm(x, self.size, self.scale(), self.k as f32)
            }
            Implementation::Reference => self.reference(x),
        }
    }

    /// What the sum of squares is multiplied by.
    #[cfg(any(feature = "flex", feature = "cube"))]
    fn scale(self) -> f32 {
        (self.alpha / self.size as f64) as f32
    }

    fn reference(self, x: Tensor<4>) -> Tensor<4> {
        let Self { size, alpha, k } = self;
        let [batch, channels, height, width] = x.dims();
        let margin = Tensor::zeros([batch, size / 2, height, width], &x.device());
        let squares = Tensor::cat(vec![margin.clone(), x.clone().square(), margin], 1);
        let sums = (0..size).map(|shift| squares.clone().narrow(1, shift, channels));
        let sum = sums.fold(x.zeros_like(), |sum, squares| sum + squares);
        let base = sum.mul_scalar(alpha / size as f64).add_scalar(k);
        x * base.powf_scalar(-Self::BETA)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{assert_close, noise, output_and_gradient};

    #[test]
    fn local_response_norm_matches_reference() {
        let device = Device::flex().autodiff();
        for (norm, dims) in [
            (LocalResponseNorm { size: 5, alpha: 1e-4, k: 1.0 }, [2, 96, 9, 7]), // AlexNet's
            (LocalResponseNorm { size: 5, alpha: 3.0, k: 2.0 }, [3, 37, 5, 7]),
            (LocalResponseNorm { size: 3, alpha: 0.7, k: 1.0 }, [1, 2, 40, 30]), /* fewer channels than
                                                                                  * the window */
            (LocalResponseNorm { size: 1, alpha: 2.0, k: 0.5 }, [2, 19, 3, 3]),
        ] {
            let x = (noise(dims, 1, &device) * 4.0).detach().require_grad();
            let (y, dx) = output_and_gradient(&x, |x| norm.forward(x));
            let (expected_y, expected_dx) = output_and_gradient(&x, |x| norm.reference(x));
            assert_close(y, expected_y, 1e-5, format_args!("{norm:?} of {dims:?}: output"));
            assert_close(dx, expected_dx, 1e-4, format_args!("{norm:?} of {dims:?}: gradient"));
        }
    }

    #[test]
    fn local_response_norm_gradient_matches_finite_differences() {
        let device = Device::flex().autodiff();
        let norm = LocalResponseNorm { size: 3, alpha: 2.0, k: 1.0 };
        let values = [0.5_f32, -1.0, 2.0, 0.7, -0.3];
        let weights = [1.0_f32, 0.3, -0.7, 2.0, -1.1];
        let map = |values: [f32; 5]| Tensor::<1>::from_floats(values, &device).reshape([1, 5, 1, 1]);
        let loss = |values| (norm.forward(map(values)) * map(weights)).sum().into_scalar::<f32>();
        let x = map(values).require_grad();
        let grads = (norm.forward(x.clone()) * map(weights)).sum().backward();
        let dx: Vec<f32> = x.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        for (channel, gradient) in dx.into_iter().enumerate() {
            let moved = |step: f32| {
                let mut values = values;
                values[channel] += step;
                loss(values)
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((gradient - expected).abs() < 2e-3, "channel {channel}: {gradient} is not {expected}");
        }
    }
}
