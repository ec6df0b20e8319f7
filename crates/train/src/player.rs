//! One side of the game: a network and its optimiser.

use burn::{
    module::Module,
    optim::{GradientsParams, ModuleOptimizer},
    tensor::Tensor,
};
use context_encoder_model::Precision;

use crate::{
    adam::Adam,
    loss_scale::LossScale,
    parallel::{Seat, mean_gradients, mean_statistics},
};

/// A network that learns.
pub(crate) struct Player<M> {
    pub(crate) network: M,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) rate: f64,
    /// Where gradients go through 16 bits of IEEE 754's format.
    pub(crate) scale: Option<LossScale>,
}

impl<M: Module> Player<M> {
    pub(crate) fn new(network: M, rate: f64, precision: Precision) -> Self {
        let mut player = Self { network, optimizer: Adam.into(), rate, scale: None };
        player.set(rate, precision);
        player
    }

    /// Sets the rate, and in what the network's layers multiply.
    pub(crate) fn set(&mut self, rate: f64, precision: Precision) {
        self.rate = rate;
        self.scale = (precision == Precision::F16).then(|| self.scale.unwrap_or_default());
    }

    /// One step of Adam down the slope of `loss`, at `pace` times the player's rate; down the mean of all replicas' slopes
    /// where there are several.
    pub(crate) fn descend(mut self, loss: &Tensor<1>, pace: f64, seat: Option<&Seat>) -> Self {
        let slopes = self.scale.map_or_else(|| loss.backward(), |scale| scale.scaled(loss).backward());
        let mut gradients = GradientsParams::from_grads(slopes, &self.network);
        if let Some(seat) = seat {
            gradients = mean_gradients(gradients, &self.network, seat);
        }
        if let Some(scale) = &mut self.scale {
            match scale.unscaled(gradients, &self.network) {
                Some(unscaled) => gradients = unscaled,
                None => return self,
            }
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
