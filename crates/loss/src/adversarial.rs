//! The adversarial loss of generator and discriminator, on logits.
//!
//! The discriminator sees whole predictions and whole true patches, and nothing of their context unless it is
//! asked for: the paper found that worse (section 3.2).

use burn::tensor::{Tensor, activation::log_sigmoid};

/// The discriminator's loss, `-mean log D(x) - mean log(1 - D(F))`.
///
/// The two means are added, not averaged, as in the authors' code.
#[derive(Clone, Debug)]
pub struct DiscriminatorLoss {
    /// `-mean log D(x)` over true patches, `[1]`.
    pub real: Tensor<1>,
    /// `-mean log(1 - D(F))` over predictions, `[1]`.
    pub fake: Tensor<1>,
    /// Their sum, `[1]`, which is minimized.
    pub total: Tensor<1>,
}

impl DiscriminatorLoss {
    /// The loss from logits. Stable at any finite logit.
    ///
    /// # Shapes
    /// - `real`, `fake`: `[batch]` logits of true patches and of predictions
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use context_encoder_loss::DiscriminatorLoss;
    ///
    /// let undecided = Tensor::<1>::zeros([4], &Device::flex());
    /// let loss = DiscriminatorLoss::from_logits(undecided.clone(), undecided);
    /// assert!((loss.total.into_scalar::<f32>() - 2.0 * 2.0_f32.ln()).abs() < 1e-6);
    /// ```
    pub fn from_logits(real: Tensor<1>, fake: Tensor<1>) -> Self {
        let real = adversarial_loss(real); // -log D(x)
        let fake = adversarial_loss(fake.neg()); // -log(1 - D(F)): 1 - sigmoid(l) = sigmoid(-l)
        Self { total: real.clone() + fake.clone(), real, fake }
    }
}

/// The generator's adversarial loss in its non-saturating form, `-mean log D(F)`, from logits `[batch]`:
/// `[1]`, at least 0.
pub(crate) fn adversarial_loss(fake: Tensor<1>) -> Tensor<1> {
    log_sigmoid(fake).mean().neg()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn logits(values: &[f32], device: &Device) -> Tensor<1> {
        Tensor::from_floats(values, device)
    }

    #[test]
    fn hand_worked_values() {
        let device = Device::flex();
        let probability = |logit: f32| 1.0 / (1.0 + (-logit).exp());
        let loss =
            DiscriminatorLoss::from_logits(logits(&[1.0, -2.0], &device), logits(&[0.5, 3.0], &device));
        let real = -(probability(1.0).ln() + probability(-2.0).ln()) / 2.0;
        let fake = -((1.0 - probability(0.5)).ln() + (1.0 - probability(3.0)).ln()) / 2.0;
        assert!((loss.real.into_scalar::<f32>() - real).abs() < 1e-5);
        assert!((loss.fake.into_scalar::<f32>() - fake).abs() < 1e-5);
        assert!((loss.total.into_scalar::<f32>() - real - fake).abs() < 1e-5);
    }

    #[test]
    fn extreme_logits_have_finite_loss_and_the_right_gradient() {
        let device = Device::flex().autodiff();
        for (logit, value, expected) in [(100.0_f32, 0.0, 0.0), (-100.0, 100.0, -1.0)] {
            let fake = logits(&[logit], &device).require_grad();
            let loss = adversarial_loss(fake.clone());
            let gradient = fake.grad(&loss.backward()).expect("tracked").into_scalar::<f32>();
            assert!((loss.into_scalar::<f32>() - value).abs() < 1e-4);
            assert!((gradient - expected).abs() < 1e-4, "{gradient}");
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let device = Device::flex().autodiff();
        let values = [-3.0_f32, -0.5, 0.2, 2.5]; // two of true patches, two of predictions
        let loss = |logits: Tensor<1>| {
            DiscriminatorLoss::from_logits(logits.clone().narrow(0, 0, 2), logits.narrow(0, 2, 2)).total
        };
        let all = logits(&values, &device).require_grad();
        let gradient = all.grad(&loss(all.clone()).backward()).expect("tracked").into_data();
        for (i, gradient) in gradient.try_to_vec::<f32>().expect("f32").into_iter().enumerate() {
            let at = |shift: f32| {
                let mut moved = values;
                moved[i] += shift;
                loss(logits(&moved, &device)).into_scalar::<f32>()
            };
            let expected = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((gradient - expected).abs() < 1e-3, "logit {i}: {gradient} is not {expected}");
        }
    }
}
