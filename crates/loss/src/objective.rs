//! What the generator minimizes.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{
    adversarial::adversarial_loss,
    reconstruction::{LossMask, Reconstruction},
};

/// The generator's objective (paper, section 3.2 "Joint loss", and Figure 6, which compares all three).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Objective {
    /// Reconstruction alone; no discriminator is trained.
    Reconstruction,
    /// Adversarial alone.
    Adversarial,
    /// `reconstruction * L_rec + adversarial * L_adv`.
    Joint {
        /// Weight of the reconstruction loss; 0.999 in the paper, and where a file does not say.
        #[serde(default = "reconstruction")]
        reconstruction: f64,
        /// Weight of the adversarial loss; 0.001 in the paper, and where a file does not say.
        #[serde(default = "adversarial")]
        adversarial: f64,
    },
}

/// The paper's weight of the reconstruction loss.
fn reconstruction() -> f64 {
    0.999
}

/// The paper's weight of the adversarial loss.
fn adversarial() -> f64 {
    0.001
}

impl Default for Objective {
    fn default() -> Self {
        Self::joint()
    }
}

/// The generator's loss: every term that was optimized, unweighted, and their weighted total.
#[derive(Clone, Debug)]
pub struct GeneratorLoss {
    /// Reconstruction loss, `[1]`, unless the objective is adversarial alone.
    pub reconstruction: Option<Tensor<1>>,
    /// Adversarial loss, `[1]`, unless the objective is reconstruction alone.
    pub adversarial: Option<Tensor<1>>,
    /// The optimized number, `[1]`.
    pub total: Tensor<1>,
}

impl Objective {
    /// The paper's joint loss, `0.999 L_rec + 0.001 L_adv`.
    pub fn joint() -> Self {
        Self::Joint { reconstruction: reconstruction(), adversarial: adversarial() }
    }

    /// Whether a discriminator takes part.
    pub fn is_adversarial(&self) -> bool {
        !matches!(self, Self::Reconstruction)
    }

    /// The generator's loss for one batch. `discriminator_logits` returns the discriminator's logits
    /// `[batch]` of the prediction; it is called only when the objective needs it.
    ///
    /// # Shapes
    /// - `prediction`, `truth`: `[batch, 3, side, side]` in `[-1, 1]`
    /// - `loss_mask`: `[batch, 1, side, side]`, 1 = hidden
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use context_encoder_loss::{Objective, Reconstruction, LossMask};
    ///
    /// let device = Device::flex();
    /// let prediction = Tensor::<4>::zeros([1, 3, 4, 4], &device);
    /// let truth = Tensor::<4>::ones([1, 3, 4, 4], &device);
    /// let everywhere = LossMask::Hidden(Tensor::ones([1, 1, 4, 4], &device));
    /// let undecided = |_| Tensor::<1>::zeros([1], &device);
    ///
    /// let loss =
    ///     Objective::joint().generator_loss(&Reconstruction::default(), prediction, truth, everywhere, undecided);
    /// let expected = 0.999 * 1.0 + 0.001 * 2.0_f32.ln();
    /// assert!((loss.total.into_scalar::<f32>() - expected).abs() < 1e-6);
    /// ```
    pub fn generator_loss(
        &self,
        reconstruction: &Reconstruction,
        prediction: Tensor<4>,
        truth: Tensor<4>,
        loss_mask: LossMask,
        discriminator_logits: impl FnOnce(Tensor<4>) -> Tensor<1>,
    ) -> GeneratorLoss {
        match *self {
            Self::Reconstruction => {
                let total = reconstruction.forward(prediction, truth, loss_mask);
                GeneratorLoss { reconstruction: Some(total.clone()), adversarial: None, total }
            }
            Self::Adversarial => {
                let total = adversarial_loss(discriminator_logits(prediction));
                GeneratorLoss { reconstruction: None, adversarial: Some(total.clone()), total }
            }
            Self::Joint { reconstruction: reconstruction_weight, adversarial: adversarial_weight } => {
                let distance = reconstruction.forward(prediction.clone(), truth, loss_mask);
                let adversarial = adversarial_loss(discriminator_logits(prediction));
                let total = distance.clone().mul_scalar(reconstruction_weight)
                    + adversarial.clone().mul_scalar(adversarial_weight);
                GeneratorLoss { reconstruction: Some(distance), adversarial: Some(adversarial), total }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// Loss and gradient of each objective, with a discriminator whose logit is the prediction's sum.
    fn evaluate(objective: Objective, values: &[f32; 4]) -> (GeneratorLoss, Vec<f32>) {
        let device = Device::flex().autodiff();
        let prediction =
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 1, 2, 2]), &device).require_grad();
        let truth = Tensor::from_data(TensorData::new(vec![0.5_f32, -0.5, 0.25, 0.0], [1, 1, 2, 2]), &device);
        let hidden = Tensor::from_data(TensorData::new(vec![1.0_f32, 0.0, 1.0, 1.0], [1, 1, 2, 2]), &device);
        let (reconstruction, mask) = (Reconstruction::default(), LossMask::Hidden(hidden));
        let loss = objective.generator_loss(&reconstruction, prediction.clone(), truth, mask, Tensor::sum);
        let grads = loss.total.clone().backward();
        let gradient = prediction.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        (loss, gradient)
    }

    const VALUES: [f32; 4] = [0.9, 0.1, -0.7, 0.4];

    #[test]
    fn the_total_is_the_weighted_sum_of_the_terms() {
        let objective = Objective::Joint { reconstruction: 0.7, adversarial: 0.3 };
        let (loss, _) = evaluate(objective, &VALUES);
        let read = |term: Option<Tensor<1>>| term.expect("both terms").into_scalar::<f32>();
        let (distance, adversarial) = (read(loss.reconstruction), read(loss.adversarial));
        assert!((distance - (0.16 + 0.9025 + 0.16) / 3.0).abs() < 1e-6);
        assert!((adversarial - (1.0 + (-0.7_f32).exp()).ln()).abs() < 1e-6);
        assert!((loss.total.into_scalar::<f32>() - (0.7 * distance + 0.3 * adversarial)).abs() < 1e-6);
    }

    #[test]
    fn single_objectives_report_their_term_only() {
        let read = |term: Tensor<1>| term.into_scalar::<f32>();
        let (loss, _) = evaluate(Objective::Reconstruction, &VALUES);
        assert_eq!(
            (loss.reconstruction.map(read), loss.adversarial.map(read)),
            (Some(read(loss.total)), None)
        );
        let (loss, _) = evaluate(Objective::Adversarial, &VALUES);
        assert_eq!(
            (loss.reconstruction.map(read), loss.adversarial.map(read)),
            (None, Some(read(loss.total)))
        );
    }

    #[test]
    fn gradients_match_finite_differences() {
        for objective in [
            Objective::Reconstruction,
            Objective::Adversarial,
            Objective::Joint { reconstruction: 0.6, adversarial: 0.4 },
        ] {
            let (_, gradient) = evaluate(objective, &VALUES);
            for (i, gradient) in gradient.into_iter().enumerate() {
                let at = |shift: f32| {
                    let mut moved = VALUES;
                    moved[i] += shift;
                    evaluate(objective, &moved).0.total.into_scalar::<f32>()
                };
                let expected = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!(
                    (gradient - expected).abs() < 1e-3,
                    "{objective:?}, value {i}: {gradient} is not {expected}"
                );
            }
        }
    }
}
