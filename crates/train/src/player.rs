//! One side of the game: a network and its optimiser.

use burn::{
    module::Module,
    optim::{GradientsParams, ModuleOptimizer},
    tensor::Tensor,
};

use crate::{
    adam::Adam,
    parallel::{Seat, mean_gradients, mean_statistics},
};

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

    /// One step of Adam down the slope of `loss`, at `pace` times the player's rate; down the mean of all replicas' slopes
    /// where there are several.
    pub(crate) fn descend(mut self, loss: &Tensor<1>, pace: f64, seat: Option<&Seat>) -> Self {
        let mut gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        if let Some(seat) = seat {
            gradients = mean_gradients(gradients, &self.network, seat);
        }
        self.network = self.optimizer.step(self.rate * pace, self.network, gradients);
        self
    }

    /// The same with the mean of all replicas' running statistics.
    pub(crate) fn agree(mut self, seat: Option<&Seat>) -> Self {
        if let Some(seat) = seat {
            self.network = mean_statistics(self.network, seat);
        }
        self
    }
}
