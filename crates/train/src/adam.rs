//! The optimizer of every network.

use std::cell::Cell;

use burn::{
    optim::{AdamState, AdaptiveMomentumState, LearningRate, Optimizer},
    tensor::{Device, Tensor},
};
use context_encoder_ops::AdamStep;

/// Adam's decay of the first and second moment (DCGAN; the authors' code), and the constant under the
/// root. Burn's own default of the last, 1e-5, is a thousand times larger.
const BETA_1: f32 = 0.5;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

thread_local! {
    /// Steps done after the last call of [`Adam::step`](Optimizer::step) in this thread.
    static TIME: Cell<usize> = const { Cell::new(0) };
    /// What [`advance`] does.
    static ADVANCE: Cell<usize> = const { Cell::new(0) };
}

/// Steps done after the last step of any parameter, in this thread.
pub(crate) fn last_time() -> usize {
    TIME.get()
}

/// Step `time`, from 1, at learning rate `lr`.
pub(crate) fn adam_step(lr: LearningRate, time: usize) -> AdamStep {
    AdamStep { beta_1: BETA_1, beta_2: BETA_2, epsilon: EPSILON, learning_rate: lr, step: time }
}

/// Has the steps that `step` takes count as so many, and change nothing else: those whose weights and moments
/// are already there.
pub(crate) fn advance<T>(steps: usize, step: impl FnOnce() -> T) -> T {
    ADVANCE.set(steps);
    let result = step();
    ADVANCE.set(0);
    result
}

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
        if ADVANCE.get() > 0 {
            let time = time + ADVANCE.get();
            return (weights, Some(AdamState::new(AdaptiveMomentumState::new(time, moment_1, moment_2))));
        }
        let time = time + 1;
        TIME.set(time);
        let (weights, [first, second]) = adam_step(lr, time).apply(weights, gradient, [moment_1, moment_2]);
        (weights, Some(AdamState::new(AdaptiveMomentumState::new(time, first, second))))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
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
