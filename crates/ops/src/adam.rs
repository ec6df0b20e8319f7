//! One step of Adam.

use std::cell::RefCell;

use burn::tensor::Tensor;

use crate::{dispatch::Implementation, recording::in_place};

thread_local! {
    /// What [`AdamStep::recorded`] computes with.
    static RATES: RefCell<Option<Tensor<1>>> = const { RefCell::new(None) };
}

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
    /// Number of this step, from 1.
    pub step: usize,
}

impl AdamStep {
    /// Updates `weights` and both moments, in place where nobody else holds the tensors.
    ///
    /// `m' = b1 m + (1-b1) g`, `v' = b2 v + (1-b2) g^2`,
    /// `w' = w - lr (m' / (1-b1^t)) / (sqrt(v' / (1-b2^t)) + epsilon)`
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use context_encoder_ops::AdamStep;
    ///
    /// let step = AdamStep { beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, learning_rate: 0.1, step: 1 };
    /// let zero = Tensor::<1>::zeros([1], &Device::default());
    /// let (weights, _) = step.apply(zero.clone(), zero.clone() - 4.0, [zero.clone(), zero]);
    /// assert!((weights.into_scalar::<f32>() - 0.1).abs() < 1e-6); // the first step is the learning rate itself
    /// ```
    pub fn apply<const D: usize>(
        self,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        moments: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        match Implementation::of(&weights) {
            // Whoever wants to differentiate a step gets the reference.
            #[cfg(feature = "flex")]
            Implementation::Cpu if !weights.device().is_autodiff() && !gradient.device().is_autodiff() => {
                crate::cpu::adam(self.constants(), weights, gradient, moments)
            }
            #[cfg(feature = "cube")]
            Implementation::Cube if RATES.with_borrow(Option::is_some) => {
                let rates = RATES.with_borrow(Clone::clone).expect("just seen");
                let betas = [self.beta_1, self.beta_2];
                crate::cube::recorded_adam(betas, rates, weights, gradient, moments)
            }
            #[cfg(feature = "cube")]
            Implementation::Cube if !weights.device().is_autodiff() && !gradient.device().is_autodiff() => {
                crate::cube::adam(self.constants(), weights, gradient, moments)
            }
            _ => self.reference(weights, gradient, moments),
        }
    }

    /// Runs `compute`, in this thread, with steps whose learning rate and epsilon are read from the device
    /// when they are computed, `[2]` as [`rates`](Self::rates) gives them: for a
    /// [`Recording`](crate::Recording). Weights and moments are written [`in_place`]. Only kernels for
    /// graphics devices do that; others take their own constants.
    pub fn recorded<T>(rates: Tensor<1>, compute: impl FnOnce() -> T) -> T {
        /// Puts back what was, however the computation ends.
        struct Restore(Option<Tensor<1>>);

        impl Drop for Restore {
            fn drop(&mut self) {
                RATES.set(self.0.take());
            }
        }

        let _restore = Restore(RATES.replace(Some(rates)));
        in_place(compute)
    }

    /// Learning rate and epsilon with the corrections of both moments: what changes from step to step.
    pub fn rates(&self) -> [f32; 2] {
        [self.corrected_lr() * self.correction(), self.epsilon * self.correction()]
    }

    fn reference<const D: usize>(
        self,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        [first, second]: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let first = first.mul_scalar(self.beta_1) + gradient.clone().mul_scalar(1.0 - self.beta_1);
        let second = second.mul_scalar(self.beta_2) + gradient.square().mul_scalar(1.0 - self.beta_2);
        let root = second.clone().sqrt().add_scalar(self.epsilon * self.correction());
        let update = first.clone().mul_scalar(self.corrected_lr() * self.correction()).div(root);
        (weights - update, [first, second])
    }

    #[cfg(any(feature = "flex", feature = "cube"))]
    fn constants(&self) -> crate::layer::AdamConstants {
        let Self { beta_1, beta_2, epsilon, .. } = *self;
        let (lr, correction) = (self.corrected_lr(), self.correction());
        crate::layer::AdamConstants { beta_1, beta_2, lr, correction, epsilon }
    }

    /// Learning rate over `1 - beta_1^t`.
    fn corrected_lr(&self) -> f32 {
        (self.learning_rate / (1.0 - f64::from(self.beta_1).powf(self.step as f64))) as f32
    }

    /// `sqrt(1 - beta_2^t)`.
    fn correction(&self) -> f32 {
        (1.0 - f64::from(self.beta_2).powf(self.step as f64)).sqrt() as f32
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{difference, noise};

    #[test]
    fn adam_matches_reference_and_leaves_shared_tensors_alone() {
        let device = Device::flex();
        let dims = [37, 1931]; // more than one task, the last one odd
        let tensors = || [1, 2, 3, 4].map(|seed| noise::<2>(dims, seed, &device));
        let step = AdamStep { beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, learning_rate: 2e-4, step: 3 };
        let [weights, gradient, first, second] = tensors();
        let second = second.abs();
        let held = weights.clone();
        let (got, got_moments) = step.apply(weights, gradient.clone(), [first.clone(), second.clone()]);
        let (expected, expected_moments) = step.reference(held.clone(), gradient, [first, second]);
        assert!(difference(got, expected) < 1e-6);
        for (got, expected) in got_moments.into_iter().zip(expected_moments) {
            assert!(difference(got, expected) < 1e-6);
        }
        let [weights, ..] = tensors();
        held.into_data().assert_eq(&weights.into_data(), true);
    }
}
