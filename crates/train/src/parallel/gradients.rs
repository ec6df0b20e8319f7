//! The mean of all replicas' gradients.

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::Tensor,
};

use super::Seat;

/// The mean of all replicas' gradients, in one exchange. Replicas name their parameters differently, so gradients belong
/// together by their place in the network.
pub(crate) fn mean_gradients<M: Module>(
    gradients: GradientsParams,
    network: &M,
    seat: &Seat,
) -> GradientsParams {
    let mut laid = Laid { gradients, names: Vec::new(), pieces: Vec::new() };
    network.visit(&mut laid);
    let Laid { names, pieces, .. } = laid;
    let means = seat.mean(pieces).into_iter();
    let mut taken = Taken { gradients: GradientsParams::new(), names, means };
    network.visit(&mut taken);
    taken.gradients
}

/// Gradients in the order of the network.
struct Laid {
    gradients: GradientsParams,
    /// Parameters that have one.
    names: Vec<ParamId>,
    pieces: Vec<Tensor<1>>,
}

impl ModuleVisitor for Laid {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.names.push(param.id);
            self.pieces.push(gradient.flatten(0, D - 1));
        }
    }
}

/// The same way back.
struct Taken {
    gradients: GradientsParams,
    names: Vec<ParamId>,
    means: std::vec::IntoIter<Tensor<1>>,
}

impl ModuleVisitor for Taken {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.names.contains(&param.id)
            && let Some(mean) = self.means.next()
        {
            self.gradients.register(param.id, mean.reshape::<D, _>(param.lazy_shape()));
        }
    }
}
