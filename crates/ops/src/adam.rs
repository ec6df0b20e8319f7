//! One step of Adam.

use burn::tensor::Tensor;

use crate::{implementation::Implementation, plain};

/// Constants of one step (Kingma and Ba, 2015, algorithm 1, with PyTorch's placing of epsilon).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the corrected second moment.
    pub epsilon: f32,
    /// Learning rate.
    pub learning_rate: f64,
    /// This step's number, from 1.
    pub time: usize,
}

impl AdamStep {
    /// Learning rate over `1 - beta_1^t`.
    pub(crate) fn rate(&self) -> f32 {
        (self.learning_rate / (1.0 - f64::from(self.beta_1).powf(self.time as f64))) as f32
    }

    /// `sqrt(1 - beta_2^t)`.
    pub(crate) fn correction(&self) -> f32 {
        (1.0 - f64::from(self.beta_2).powf(self.time as f64)).sqrt() as f32
    }
}

/// Moves `weights` down their gradient; returns them and both moments, in place where nobody else
/// holds the tensors.
///
/// `m' = b1 m + (1-b1) g`, `v' = b2 v + (1-b2) g^2`,
/// `w' = w - rate (m' / (1-b1^t)) / (sqrt(v' / (1-b2^t)) + epsilon)`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{AdamStep, adam};
///
/// let step = AdamStep { beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, learning_rate: 0.1, time: 1 };
/// let zero = Tensor::<1>::zeros([1], &Device::default());
/// let (weights, _) = adam(step, zero.clone(), zero.clone() - 4.0, [zero.clone(), zero]);
/// assert!((weights.into_scalar::<f32>() - 0.1).abs() < 1e-6); // the first step is the rate itself
/// ```
pub fn adam<const D: usize>(
    step: AdamStep,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    match Implementation::of(&weights) {
        #[cfg(feature = "flex")]
        Implementation::Optimized => crate::flex::adam(step, weights, gradient, moments),
        _ => plain::adam(step, weights, gradient, moments),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::{difference, noise};

    #[test]
    fn a_step_is_its_plain_form_and_leaves_shared_tensors_alone() {
        let device = Device::flex();
        let dims = [37, 1931]; // more than one share, the last one odd
        let tensors = || [1, 2, 3, 4].map(|seed| noise::<2>(dims, seed, &device));
        let step = AdamStep { beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, learning_rate: 2e-4, time: 3 };
        let [weights, gradient, first, second] = tensors();
        let second = second.abs();
        let held = weights.clone();
        let (fast, fast_moments) = adam(step, weights, gradient.clone(), [first.clone(), second.clone()]);
        let (plain, plain_moments) = plain::adam(step, held.clone(), gradient, [first, second]);
        assert!(difference(fast, plain) < 1e-6);
        for (fast, plain) in fast_moments.into_iter().zip(plain_moments) {
            assert!(difference(fast, plain) < 1e-6);
        }
        let [weights, ..] = tensors();
        held.into_data().assert_eq(&weights.into_data(), true);
    }
}
