//! One side of the game: a network and its optimiser.

use burn::{
    module::Module,
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::Tensor,
};

/// Adam's decay of the first and second moment (DCGAN; the authors' code), and the constant under the
/// root. Burn's own default of the last, 1e-5, is a thousand times larger.
const BETA_1: f32 = 0.5;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// A network that learns.
pub(crate) struct Player<M> {
    pub(crate) network: M,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) rate: f64,
}

impl<M: Module> Player<M> {
    pub(crate) fn new(network: M, rate: f64) -> Self {
        let adam = AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON);
        Self { network, optimizer: adam.init(), rate }
    }

    /// One step of Adam down the slope of `loss`.
    pub(crate) fn descend(mut self, loss: &Tensor<1>) -> Self {
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = self.optimizer.step(self.rate, self.network, gradients);
        self
    }
}
