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
    if pieces.is_empty() {
        return GradientsParams::new();
    }
    let all = seat.mean(Tensor::cat(pieces, 0));
    let mut taken = Taken { gradients: GradientsParams::new(), names, all, next: 0 };
    network.visit(&mut taken);
    taken.gradients
}

/// Gradients one after the other.
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
    all: Tensor<1>,
    /// Where the next gradient begins.
    next: usize,
}

impl ModuleVisitor for Taken {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.names.contains(&param.id) {
            let shape = param.lazy_shape();
            let numbers = shape.num_elements();
            let piece = self.all.clone().narrow(0, self.next, numbers);
            self.gradients.register(param.id, piece.reshape::<D, _>(shape));
            self.next += numbers;
        }
    }
}
