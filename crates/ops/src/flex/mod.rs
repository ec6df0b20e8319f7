//! The fast forms: Burn's processor tensors in, kernels, Burn's processor tensors out.

mod adam;
mod convolution;
#[cfg(feature = "autodiff")]
mod gradient;
mod laid;
mod map;
mod normalisation;
mod operation;
mod pointwise;
mod pooling;
mod response_norm;
mod smooth;

use burn::{
    backend::Flex,
    tensor::{Float, Tensor},
};
use burn_flex::FlexTensor;

pub(crate) use adam::adam;
pub(crate) use convolution::convolve;
pub(crate) use laid::Laid;
pub(crate) use normalisation::normalise;
pub(crate) use pointwise::{apply_mask, tanh};
pub(crate) use pooling::max_pool;
pub(crate) use response_norm::response_norm;
pub(crate) use smooth::smooth;

/// The tensor itself where no gradients are recorded.
fn primitive<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    tensor.try_into_primitive::<Flex>().ok()
}

/// Back to a tensor without gradients.
fn tensor<const D: usize>(primitive: FlexTensor) -> Tensor<D> {
    Tensor::<D, Float>::from_primitive::<Flex>(primitive)
}

/// The value of a tensor that no gradient goes through.
fn constant<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    match primitive(tensor.clone()) {
        Some(value) => Some(value),
        #[cfg(feature = "autodiff")]
        None => gradient::constant(tensor),
        #[cfg(not(feature = "autodiff"))]
        None => None,
    }
}

/// A tensor without gradients on the device of another.
fn like<const D: usize, const E: usize>(other: &Tensor<D>, value: FlexTensor) -> Tensor<E> {
    #[cfg(feature = "autodiff")]
    if other.device().is_autodiff() {
        return gradient::from_constant(value);
    }
    let _ = other;
    tensor(value)
}
