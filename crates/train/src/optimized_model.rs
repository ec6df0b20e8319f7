//! A model with its optimizer, and how ranks keep their models alike.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::{GradientsParams, ModuleOptimizer},
    tensor::Tensor,
};
use context_encoder_model::Precision;

use crate::{adam::Adam, data_parallel::Rank, loss_scale::LossScale};

/// A model with its optimizer.
pub(crate) struct OptimizedModel<M> {
    pub(crate) network: M,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) lr: f64,
    /// Where gradients are computed in `f16`.
    pub(crate) loss_scale: Option<LossScale>,
}

impl<M: Module> OptimizedModel<M> {
    pub(crate) fn new(network: M, lr: f64, precision: Precision) -> Self {
        let mut model = Self { network, optimizer: Adam.into(), lr, loss_scale: None };
        model.set(lr, precision);
        model
    }

    /// Sets the learning rate, and the compute precision of the layers.
    pub(crate) fn set(&mut self, lr: f64, precision: Precision) {
        self.lr = lr;
        self.loss_scale = (precision == Precision::F16).then(|| self.loss_scale.unwrap_or_default());
    }

    /// One step of Adam on the gradient of `loss`, with the learning rate times `lr_scale`; on the mean of
    /// all ranks' gradients where there are several.
    pub(crate) fn optimizer_step(mut self, loss: &Tensor<1>, lr_scale: f64, rank: Option<&Rank>) -> Self {
        let gradients = self.loss_scale.map_or_else(|| loss.backward(), |scale| scale.scale(loss).backward());
        let mut gradients = GradientsParams::from_grads(gradients, &self.network);
        if let Some(rank) = rank {
            gradients = mean_gradients(gradients, &self.network, rank);
        }
        if let Some(scale) = &mut self.loss_scale {
            match scale.unscale(gradients, &self.network) {
                Some(unscaled) => gradients = unscaled,
                None => return self,
            }
        }
        self.network = self.optimizer.step(self.lr * lr_scale, self.network, gradients);
        self
    }

    /// Replaces batch norm's running statistics by the mean of all ranks', where there are several.
    pub(crate) fn sync_batch_norm_stats(mut self, rank: Option<&Rank>) -> Self {
        if let Some(rank) = rank {
            self.network = mean_statistics(self.network, rank);
        }
        self
    }
}

/// The mean of all ranks' gradients, in one exchange. Ranks give their parameters different identities, so
/// gradients are matched by their place in the network.
fn mean_gradients<M: Module>(gradients: GradientsParams, network: &M, rank: &Rank) -> GradientsParams {
    /// Takes gradients in the order of the network.
    struct Collect {
        gradients: GradientsParams,
        /// Parameters that have one.
        ids: Vec<ParamId>,
        flat: Vec<Tensor<1>>,
    }

    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.ids.push(param.id);
                self.flat.push(gradient.flatten(0, D - 1));
            }
        }
    }

    /// Puts the means back.
    struct Restore {
        gradients: GradientsParams,
        ids: Vec<ParamId>,
        means: std::vec::IntoIter<Tensor<1>>,
    }

    impl ModuleVisitor for Restore {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.ids.contains(&param.id)
                && let Some(mean) = self.means.next()
            {
                self.gradients.register(param.id, mean.reshape::<D, _>(param.lazy_shape()));
            }
        }
    }

    let mut collected = Collect { gradients, ids: Vec::new(), flat: Vec::new() };
    network.visit(&mut collected);
    let Collect { ids, flat, .. } = collected;
    let means = rank.mean(flat).into_iter();
    let mut restored = Restore { gradients: GradientsParams::new(), ids, means };
    network.visit(&mut restored);
    restored.gradients
}

/// A network with the mean of all ranks' running statistics, in one exchange.
///
/// A running statistic is a weighted sum of those of all batches so far, so the mean of the ranks' running
/// statistics is the running mean of their statistics: it does not matter when it is taken, but for rounding.
/// It is taken after every step, so that all ranks have the same network then.
fn mean_statistics<M: Module>(network: M, rank: &Rank) -> M {
    /// Takes running statistics in the order of the network: what is no parameter.
    struct Collect(Vec<Tensor<1>>);

    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                self.0.push(param.val().inner().flatten(0, D - 1));
            }
        }
    }

    /// Puts the means back.
    struct Restore(std::vec::IntoIter<Tensor<1>>);

    impl ModuleMapper for Restore {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if param.is_require_grad() {
                return param;
            }
            match self.0.next() {
                Some(mean) => {
                    let mean = mean.reshape::<D, _>(param.lazy_shape());
                    Param::initialized(param.id, Tensor::from_inner(mean))
                }
                None => param,
            }
        }
    }

    // Burn holds each thread's last update back until a copy in evaluation is made.
    drop(network.valid());
    let mut collected = Collect(Vec::new());
    network.visit(&mut collected);
    network.map(&mut Restore(rank.mean(collected.0).into_iter()))
}
