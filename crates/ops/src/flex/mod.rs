//! The fast forms: Burn's processor tensors in, kernels, Burn's processor tensors out.

mod adam;
mod convolution;
#[cfg(feature = "autodiff")]
mod gradient;
mod laid;
mod map;
mod normalisation;

use burn::{
    backend::Flex,
    tensor::{Float, Tensor},
};
use burn_flex::FlexTensor;

pub(crate) use adam::adam;
pub(crate) use convolution::{convolve, up_convolve};
pub(crate) use laid::Laid;
pub(crate) use normalisation::normalise;

/// The tensor itself where no gradients are recorded.
fn primitive<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    tensor.try_into_primitive::<Flex>().ok()
}

/// Back to a tensor without gradients.
fn tensor<const D: usize>(primitive: FlexTensor) -> Tensor<D> {
    Tensor::<D, Float>::from_primitive::<Flex>(primitive)
}
