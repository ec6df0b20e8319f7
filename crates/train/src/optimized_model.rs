//! A model with its optimizer, and how ranks keep their models alike.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::{GradientsParams, ModuleOptimizer, OptimizerRecord},
    store::{
        ModuleSnapshot,
        burn_pack::{Bytes, Tensor as StoredTensor},
    },
    tensor::Tensor,
};
use context_encoder_model::Precision;
use context_encoder_ops::{AdamStep, copy};

use crate::{
    adam::{Adam, adam_step, advance, last_time},
    data_parallel::Rank,
    loss_scale::LossScale,
};

/// A model with its optimizer.
pub(crate) struct OptimizedModel<M> {
    pub(crate) network: M,
    optimizer: ModuleOptimizer,
    /// Steps done, and how many of them the optimizer has not counted because they were replayed.
    time: usize,
    replayed: usize,
    pub(crate) lr: f64,
    /// Where gradients are computed in `f16`.
    pub(crate) loss_scale: Option<LossScale>,
}

impl<M: Module> OptimizedModel<M> {
    pub(crate) fn new(network: M, lr: f64, precision: Precision) -> Self {
        let mut model = Self { network, optimizer: Adam.into(), time: 0, replayed: 0, lr, loss_scale: None };
        model.set(lr, precision);
        model
    }

    /// Sets the learning rate, and the compute precision of the layers.
    pub(crate) fn set(&mut self, lr: f64, precision: Precision) {
        self.lr = lr;
        self.loss_scale = (precision == Precision::F16).then(|| self.loss_scale.unwrap_or_default());
    }

    /// The optimizer with every step counted.
    pub(crate) fn optimizer(&self) -> ModuleOptimizer {
        let mut optimizer = self.optimizer.clone();
        if self.replayed > 0 {
            // A parameter takes part in a step if it has a gradient, whatever it is.
            let mut gradients = AsGradients(GradientsParams::new());
            self.network.visit(&mut gradients);
            advance(self.replayed, || optimizer.step(self.lr, self.network.clone(), gradients.0));
        }
        optimizer
    }

    /// Takes an optimizer's state.
    pub(crate) fn set_optimizer(&mut self, optimizer: ModuleOptimizer) {
        (self.optimizer, self.replayed) = (optimizer, 0);
    }

    /// One step of Adam on the gradient of `loss`, with the learning rate times `lr_scale`; on the mean of
    /// all ranks' gradients where there are several. In a recorded step the learning rate is in `rates`.
    pub(crate) fn optimizer_step(
        mut self,
        loss: &Tensor<1>,
        lr_scale: f64,
        rates: Option<Tensor<1>>,
        rank: Option<&Rank>,
    ) -> Self {
        if self.replayed > 0 {
            self.set_optimizer(self.optimizer());
        }
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
        let lr = self.lr * lr_scale;
        let step = || self.optimizer.step(lr, self.network, gradients);
        self.network = match rates {
            Some(rates) => AdamStep::recorded(rates, step),
            None => step(),
        };
        self.time = last_time();
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

/// A model whose steps can be recorded.
pub(crate) trait RecordableModel {
    /// Whether a step needs numbers from the device: the loss scale's next value does.
    fn reads_from_device(&self) -> bool;

    /// Moves every tensor of the network into memory of its own, which a recorded step writes.
    fn move_to_own_memory(&mut self);

    /// A copy in the host's memory; nothing is left on the device.
    fn to_host(&self) -> Result<HostCopy, String>;

    /// Takes everything from such a copy.
    fn restore(&mut self, copy: HostCopy) -> Result<(), String>;

    /// Counts a step that was replayed.
    fn count_replayed(&mut self);

    /// What Adam's next step has to know of the learning rate times `lr_scale` and of the steps before,
    /// `[2]`.
    fn rates(&self, lr_scale: f64) -> [f32; 2];
}

impl<M: Module> RecordableModel for OptimizedModel<M> {
    fn reads_from_device(&self) -> bool {
        self.loss_scale.is_some()
    }

    fn move_to_own_memory(&mut self) {
        struct Copy;

        impl ModuleMapper for Copy {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(copy)
            }
        }

        // Without autodiff on the way: weights are the leaves of a graph.
        self.network = self.network.valid().map(&mut Copy).train();
    }

    fn to_host(&self) -> Result<HostCopy, String> {
        let to_host = |tensor: StoredTensor| {
            let (name, dtype, shape, id, bytes) = tensor.into_parts().map_err(|error| error.to_string())?;
            // As they come, the bytes are still the device's.
            Ok(StoredTensor::new(name, dtype, shape, id, Bytes::from_bytes_vec(bytes.to_vec())))
        };
        let tensors = self.network.collect(None, None, false);
        let optimizer = self.optimizer().to_record().into_bytes().map_err(|error| error.to_string())?;
        Ok(HostCopy { tensors: tensors.into_iter().map(to_host).collect::<Result<_, String>>()?, optimizer })
    }

    fn restore(&mut self, copy: HostCopy) -> Result<(), String> {
        let HostCopy { tensors, optimizer } = copy;
        let result = self.network.apply(tensors, None, None, false);
        if let Some(error) = result.errors.first() {
            return Err(error.to_string());
        }
        let record = OptimizerRecord::from_bytes(optimizer).map_err(|error| error.to_string())?;
        self.set_optimizer(ModuleOptimizer::from(Adam).load_record(record));
        Ok(())
    }

    fn count_replayed(&mut self) {
        self.time += 1;
        self.replayed += 1;
    }

    fn rates(&self, lr_scale: f64) -> [f32; 2] {
        adam_step(self.lr * lr_scale, self.time + 1).rates()
    }
}

/// A network and the state of its optimizer in the host's memory.
pub(crate) struct HostCopy {
    tensors: Vec<StoredTensor>,
    optimizer: Bytes,
}

/// A network's weights in the place of gradients.
struct AsGradients(GradientsParams);

impl ModuleVisitor for AsGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.register(param.id, param.val().inner());
        }
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

    let mut collected = Collect(Vec::new());
    network.visit(&mut collected);
    network.map(&mut Restore(rank.mean(collected.0).into_iter()))
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

    /// A model after one step.
    fn trained() -> OptimizedModel<Weights> {
        step(OptimizedModel::new(weights(), 0.1, Precision::F32))
    }

    fn step(model: OptimizedModel<Weights>) -> OptimizedModel<Weights> {
        let loss = model.network.values.val().square().sum();
        model.optimizer_step(&loss, 1.0, None, None)
    }

    fn values(model: &OptimizedModel<Weights>) -> Vec<f32> {
        model.network.values.val().into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn replayed_steps_count_in_the_next_one_and_in_checkpoints() {
        let mut model = trained();
        let old = values(&model);
        model.count_replayed();
        model.count_replayed();
        assert_eq!(model.rates(1.0), adam_step(0.1, 4).rates());
        let mut resumed = OptimizedModel::new(weights(), 0.1, Precision::F32);
        resumed.restore(model.to_host().expect("readable")).expect("of one kind");
        assert_eq!(values(&resumed), old, "counting moves nothing");
        let [model, resumed] = [model, resumed].map(step);
        assert_eq!((model.time, resumed.time), (4, 4));
        assert_eq!(values(&model), values(&resumed));
        assert_ne!(values(&model), values(&step(trained())), "as Adam's second step is");
    }

    #[test]
    fn a_copy_brings_back_weights_and_moments() {
        let model = trained();
        let (copy, expected) = (model.to_host().expect("readable"), values(&step(trained())));
        let mut changed = step(step(model));
        changed.restore(copy).expect("of one kind");
        assert_eq!(values(&changed), values(&trained()));
        assert_eq!(values(&step(changed)), expected);
    }
}
