//! Losses made larger, so that their gradients have a place in 16 bits.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

/// Where it begins: PyTorch's choice, as is [`PATIENCE`].
const FIRST: f64 = 65_536.0;

/// Steps without overflow after which it is doubled.
const PATIENCE: u32 = 2000;

/// Where doubling ends: beyond it, gradients in 32 bits lose nothing any more.
const LARGEST: f64 = 16_777_216.0;

/// By how much a loss is larger than it should be while its gradients are computed.
///
/// Numbers of 16 bits in IEEE 754's format end below 6e-8, where many gradients are: times a power of two they are not
/// lost, and divided by it in 32 bits nothing has changed. When a gradient passes the largest number, 65504, that step is
/// left out and the scale is halved; after 2000 steps without that it is doubled (Micikevicius et al., ICLR 2018).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    scale: f64,
    /// Steps since it was changed.
    good: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { scale: FIRST, good: 0 }
    }
}

impl LossScale {
    /// Whether it is one that a run can have come to.
    pub(crate) fn is_usable(&self) -> bool {
        (1.0..=LARGEST).contains(&self.scale)
    }

    /// The loss to go back from.
    pub(crate) fn scaled(&self, loss: &Tensor<1>) -> Tensor<1> {
        loss.clone().mul_scalar(self.scale)
    }

    /// The gradients as they should be, or nothing where one has passed the largest number: then no step is to be made.
    /// Reads one number from the device.
    ///
    /// A scale of 1 cannot be too large: with that, gradients are given back whatever they are, and the next loss tells.
    pub(crate) fn unscaled<M: Module>(
        &mut self,
        gradients: GradientsParams,
        network: &M,
    ) -> Option<GradientsParams> {
        let mut all = Divided { gradients, divisor: self.scale, zero: None };
        network.visit(&mut all);
        // 0 times infinity and 0 times no number are no number.
        let finite = all.zero.is_none_or(|zero| zero.into_scalar::<f32>() == 0.0);
        if !finite && self.scale > 1.0 {
            *self = Self { scale: self.scale / 2.0, good: 0 };
            return None;
        }
        self.good += 1;
        if self.good == PATIENCE {
            *self = Self { scale: (self.scale * 2.0).min(LARGEST), good: 0 };
        }
        Some(all.gradients)
    }
}

/// Divides gradients; `zero` is 0 where all of them are numbers.
struct Divided {
    gradients: GradientsParams,
    divisor: f64,
    zero: Option<Tensor<1>>,
}

impl ModuleVisitor for Divided {
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

    /// The slope of `factor` times the sum of squares.
    fn slope(scale: &mut LossScale, factor: f32) -> Option<Vec<f32>> {
        let weights = weights();
        let loss = (weights.values.val().square() * factor).sum();
        let gradients = GradientsParams::from_grads(scale.scaled(&loss).backward(), &weights);
        let gradients = scale.unscaled(gradients, &weights)?;
        let slope = gradients.get::<1>(weights.values.id).expect("a gradient");
        Some(slope.into_data().try_to_vec().expect("f32"))
    }

    #[test]
    fn overflow_halves_it_and_leaves_the_step_out() {
        let mut scale = LossScale::default();
        assert_eq!(slope(&mut scale, 0.5), Some(vec![1.0, 2.0]));
        assert_eq!(scale, LossScale { scale: FIRST, good: 1 });
        assert_eq!(slope(&mut scale, 3e38), None); // beyond 32 bits too
        assert_eq!(scale, LossScale { scale: FIRST / 2.0, good: 0 });
        let mut least = LossScale { scale: 1.0, good: 0 };
        assert!(slope(&mut least, 3e38).is_some_and(|slope| slope[1].is_infinite()), "the loss will tell");
    }

    #[test]
    fn scales_from_damaged_files_are_told() {
        let scale = |scale| LossScale { scale, good: 0 };
        assert!(LossScale::default().is_usable() && scale(1.0).is_usable() && scale(LARGEST).is_usable());
        for wrong in [0.0, -4.0, 0.5, 2.0 * LARGEST, f64::NAN, f64::INFINITY] {
            assert!(!scale(wrong).is_usable(), "{wrong}");
        }
    }

    #[test]
    fn patience_doubles_it_up_to_an_end() {
        let mut scale = LossScale { scale: 4.0, good: PATIENCE - 1 };
        slope(&mut scale, 1.0);
        assert_eq!(scale, LossScale { scale: 8.0, good: 0 });
        let mut scale = LossScale { scale: LARGEST, good: PATIENCE - 1 };
        slope(&mut scale, 1.0);
        assert_eq!(scale.scale, LARGEST);
    }
}
