//! Loss scaling, for gradients in 16 bits.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

/// PyTorch's choice, as is [`GROWTH_INTERVAL`].
const INITIAL: f64 = 65_536.0;

/// Steps without overflow after which it is doubled.
const GROWTH_INTERVAL: u32 = 2000;

/// Doubling ends here: beyond it, gradients lose nothing any more.
const MAX: f64 = 16_777_216.0;

/// The factor by which a loss is multiplied while its gradients are computed.
///
/// IEEE 754's 16-bit format underflows below 6e-8, where many gradients are: times a power of two they are
/// not lost, and divided by it in 32 bits nothing has changed. When a gradient overflows (above 65504), that
/// step is skipped and the scale is halved; after 2000 steps without overflow it is doubled (Micikevicius et
/// al., ICLR 2018).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    scale: f64,
    /// Steps since it was changed.
    good: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { scale: INITIAL, good: 0 }
    }
}

impl LossScale {
    /// Whether a run can have come to it.
    pub(crate) fn is_usable(&self) -> bool {
        (1.0..=MAX).contains(&self.scale)
    }

    /// The loss to backpropagate from.
    pub(crate) fn scale(&self, loss: &Tensor<1>) -> Tensor<1> {
        loss.clone().mul_scalar(self.scale)
    }

    /// The true gradients, or `None` where one has overflowed: then the step is to be skipped. Reads one
    /// number from the device.
    ///
    /// A scale of 1 cannot be too large: with that, gradients are given back whatever they are, and the next
    /// loss shows it.
    pub(crate) fn unscale<M: Module>(
        &mut self,
        gradients: GradientsParams,
        network: &M,
    ) -> Option<GradientsParams> {
        let mut unscaled = Unscale { gradients, divisor: self.scale, zero: None };
        network.visit(&mut unscaled);
        // 0 times infinity and 0 times NaN are NaN.
        let finite = unscaled.zero.is_none_or(|zero| zero.into_scalar::<f32>() == 0.0);
        if !finite && self.scale > 1.0 {
            *self = Self { scale: self.scale / 2.0, good: 0 };
            return None;
        }
        self.good += 1;
        if self.good == GROWTH_INTERVAL {
            *self = Self { scale: (self.scale * 2.0).min(MAX), good: 0 };
        }
        Some(unscaled.gradients)
    }
}

/// Divides gradients; `zero` is 0 where all of them are finite.
struct Unscale {
    gradients: GradientsParams,
    divisor: f64,
    zero: Option<Tensor<1>>,
}

impl ModuleVisitor for Unscale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let gradient = gradient.div_scalar(self.divisor);
            let zero = gradient.clone().mul_scalar(0.0).sum();
            self.zero = Some(match self.zero.take() {
                Some(sum) => sum + zero,
                None => zero,
            });
            self.gradients.register(param.id, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[derive(Module, Debug)]
    struct Weights {
        values: Param<Tensor<1>>,
    }

    fn weights() -> Weights {
        Weights { values: Param::from_data(TensorData::from([1.0_f32, 2.0]), &Device::flex().autodiff()) }
    }

    /// The gradient of `factor` times the sum of squares.
    fn gradient(scale: &mut LossScale, factor: f32) -> Option<Vec<f32>> {
        let weights = weights();
        let loss = (weights.values.val().square() * factor).sum();
        let gradients = GradientsParams::from_grads(scale.scale(&loss).backward(), &weights);
        let gradients = scale.unscale(gradients, &weights)?;
        let gradient = gradients.get::<1>(weights.values.id).expect("a gradient");
        Some(gradient.into_data().try_to_vec().expect("f32"))
    }

    #[test]
    fn overflow_halves_the_scale_and_skips_the_step() {
        let mut scale = LossScale::default();
        assert_eq!(gradient(&mut scale, 0.5), Some(vec![1.0, 2.0]));
        assert_eq!(scale, LossScale { scale: INITIAL, good: 1 });
        assert_eq!(gradient(&mut scale, 3e38), None); // beyond 32 bits too
        assert_eq!(scale, LossScale { scale: INITIAL / 2.0, good: 0 });
        let mut least = LossScale { scale: 1.0, good: 0 };
        assert!(
            gradient(&mut least, 3e38).is_some_and(|gradient| gradient[1].is_infinite()),
            "the loss shows it"
        );
    }

    #[test]
    fn unusable_scales_are_recognized() {
        let scale = |scale| LossScale { scale, good: 0 };
        assert!(LossScale::default().is_usable() && scale(1.0).is_usable() && scale(MAX).is_usable());
        for wrong in [0.0, -4.0, 0.5, 2.0 * MAX, f64::NAN, f64::INFINITY] {
            assert!(!scale(wrong).is_usable(), "{wrong}");
        }
    }

    #[test]
    fn scale_doubles_after_the_growth_interval_up_to_its_maximum() {
        let mut scale = LossScale { scale: 4.0, good: GROWTH_INTERVAL - 1 };
        gradient(&mut scale, 1.0);
        assert_eq!(scale, LossScale { scale: 8.0, good: 0 });
        let mut scale = LossScale { scale: MAX, good: GROWTH_INTERVAL - 1 };
        gradient(&mut scale, 1.0);
        assert_eq!(scale.scale, MAX);
    }
}
