//! The optimizer of every network, and its learning rate schedule.

use burn::{
    optim::{AdamState, AdaptiveMomentumState, LearningRate, Optimizer},
    tensor::{Device, Tensor},
};
use context_encoder_ops::AdamStep;
use serde::{Deserialize, Serialize};

/// Adam's decay of the first and second moment (DCGAN; the authors' code), and the constant under the
/// root. Burn's own default of the last, 1e-5, is a thousand times larger.
const BETA_1: f32 = 0.5;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Burn's Adam, in one pass over memory where the device has an optimized [`AdamStep`]; its state is Burn's,
/// so that checkpoints are the same. Beta 0.5 and 0.999, epsilon 1e-8 (paper, section 5).
#[derive(Clone)]
pub struct Adam;

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let AdaptiveMomentumState { time, moment_1, moment_2, .. } = match state {
            Some(state) => state.momentum,
            None => AdaptiveMomentumState::new(0, gradient.zeros_like(), gradient.zeros_like()),
        };
        let time = time + 1;
        let step =
            AdamStep { beta_1: BETA_1, beta_2: BETA_2, epsilon: EPSILON, learning_rate: lr, step: time };
        let (weights, [first, second]) = step.apply(weights, gradient, [moment_1, moment_2]);
        (weights, Some(AdamState::new(AdaptiveMomentumState::new(time, first, second))))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

/// Learning rate schedule: a factor for each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// 1 (paper, section 5).
    #[default]
    Constant,
    /// `(1 + cos(pi t / steps)) / 2`: from 1 at the first step to 0 after the last, slowly at both ends
    /// (Loshchilov and Hutter, ICLR 2017).
    Cosine,
}

impl Schedule {
    /// The factor at step `step`, counted from 0, of a run of `steps`.
    ///
    /// ```
    /// use context_encoder_train::Schedule;
    ///
    /// assert_eq!(Schedule::Constant.factor(50, 100), 1.0);
    /// assert_eq!(Schedule::Cosine.factor(0, 100), 1.0);
    /// assert!((Schedule::Cosine.factor(50, 100) - 0.5).abs() < 1e-12);
    /// assert!(Schedule::Cosine.factor(99, 100) > 0.0);
    /// ```
    pub fn factor(self, step: u64, steps: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => {
                let done = step.min(steps) as f64 / steps.max(1) as f64;
                f64::midpoint(1.0, (std::f64::consts::PI * done).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{Module, Param},
        optim::{AdamConfig, GradientsParams, ModuleOptimizer},
        tensor::TensorData,
    };

    use super::*;

    #[derive(Module, Debug)]
    struct Weights {
        values: Param<Tensor<2>>,
    }

    /// Ten steps of Burn's Adam and of ours on the same loss.
    #[test]
    fn ten_steps_are_those_of_burns_adam() {
        let device = Device::flex().autodiff();
        let train = |mut optimizer: ModuleOptimizer| -> Vec<f32> {
            let values = (0..15).map(|i| i as f32 / 7.0 - 1.0).collect();
            let values = Param::from_data(TensorData::new(values, [3, 5]), &device);
            let mut weights = Weights { values };
            for step in 0..10 {
                let loss = (weights.values.val() - step as f32 * 0.1).powi_scalar(4).sum();
                let gradients = GradientsParams::from_grads(loss.backward(), &weights);
                weights = optimizer.step(0.01, weights, gradients);
            }
            weights.values.val().into_data().try_to_vec().expect("f32")
        };
        let burns = AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON).init();
        for (ours, burns) in train(Adam.into()).into_iter().zip(train(burns)) {
            assert!((ours - burns).abs() < 1e-6, "{ours} is not {burns}");
        }
    }
}
