//! Interpolation between the weights of two networks.

use std::any::Any;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

/// Panic of a wrong call.
const DIFFER: &str = "the networks to interpolate differ in architecture";

/// Interpolates weights: every number, batch norm's running statistics among them, becomes `(1 - weight) one
/// + weight other`. Both networks are of one architecture and in inference.
///
/// This is the step of an exponential moving average (EMA); between a network trained by reconstruction and
/// the same trained on with the adversarial loss, it trades closeness for sharpness (Wang et al., ESRGAN,
/// ECCV Workshops 2018).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_model::{ModelConfig, interpolate};
///
/// let device = Device::flex();
/// let [one, other] = [1, 2].map(|seed| ModelConfig::default().with_size(64).with_width(4).init_seeded(seed, &device));
/// let (one, other) = (one?, other?);
/// let picture = Tensor::<4>::ones([1, 3, 64, 64], &device);
/// let difference = interpolate(one, &other, 1.0).encode(picture.clone()) - other.encode(picture);
/// assert_eq!(difference.abs().max().into_scalar::<f32>(), 0.0);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
///
/// # Panics
/// When the two differ in architecture.
pub fn interpolate<M: Module>(one: M, other: &M, weight: f64) -> M {
    let mut tensors = Tensors::default();
    other.visit(&mut tensors);
    let mut interpolation = Interpolate { weight, other: tensors.0.into_iter() };
    let interpolated = one.map(&mut interpolation);
    assert!(interpolation.other.next().is_none(), "{DIFFER}");
    interpolated
}

/// A network's tensors, in the order of its declaration.
#[derive(Default)]
struct Tensors(Vec<Box<dyn Any>>);

impl ModuleVisitor for Tensors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(Box::new(param.val()));
    }
}

/// Moves every tensor of a network towards another's.
struct Interpolate {
    weight: f64,
    other: std::vec::IntoIter<Box<dyn Any>>,
}

impl ModuleMapper for Interpolate {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let other = self.other.next().and_then(|tensor| tensor.downcast::<Tensor<D>>().ok());
        let other = other.filter(|other| other.dims() == param.val().dims());
        let Some(other) = other else { panic!("{DIFFER}") };
        param.map(|one| one.mul_scalar(1.0 - self.weight) + other.mul_scalar(self.weight))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::ModelConfig;

    #[test]
    #[should_panic(expected = "differ in architecture")]
    fn shapes_that_broadcast_are_another_architecture() {
        let network = |width| ModelConfig::default().with_size(64).with_width(width).init(&Device::flex());
        let _ = interpolate(network(2).expect("valid"), &network(1).expect("valid"), 0.5);
    }
}
