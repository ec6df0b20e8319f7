//! One side of the game: a network and its optimiser.

use burn::{
    module::Module,
    optim::{GradientsParams, ModuleOptimizer},
    tensor::Tensor,
};

use crate::adam::Adam;

/// A network that learns.
pub(crate) struct Player<M> {
    pub(crate) network: M,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) rate: f64,
}

impl<M: Module> Player<M> {
    pub(crate) fn new(network: M, rate: f64) -> Self {
        Self { network, optimizer: Adam.into(), rate }
    }

    /// One step of Adam down the slope of `loss`, at `pace` times the player's rate.
    pub(crate) fn descend(mut self, loss: &Tensor<1>, pace: f64) -> Self {
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = self.optimizer.step(self.rate * pace, self.network, gradients);
        self
    }
}
