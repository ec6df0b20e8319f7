//! The mean of all replicas' running statistics.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

use super::Seat;

/// A network with the mean of all replicas' running statistics, in one exchange.
///
/// A running statistic is a weighted sum of those of all batches so far, so the mean of the devices' running
/// statistics is the running mean of their statistics: it does not matter when it is taken, but for rounding. It is taken
/// after every step, so that all replicas are the same then.
pub(crate) fn mean_statistics<M: Module>(network: M, seat: &Seat) -> M {
    // Burn holds each thread's last update back until somebody asks for a copy in evaluation.
    let settled = network.valid();
    drop(settled);
    let mut laid = Laid(Vec::new());
    network.visit(&mut laid);
    network.map(&mut Taken(seat.mean(laid.0).into_iter()))
}

/// Running statistics in the order of the network: what is no parameter.
struct Laid(Vec<Tensor<1>>);

impl ModuleVisitor for Laid {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            self.0.push(param.val().inner().flatten(0, D - 1));
        }
    }
}

/// The same way back.
struct Taken(std::vec::IntoIter<Tensor<1>>);

impl ModuleMapper for Taken {
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
