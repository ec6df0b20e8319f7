//! What context encoders compute, and how it is computed fast.
//!
//! Each operation has several implementations. The **reference** is written in Burn's tensor operations: it
//! says what is computed, runs on every device, and is what the others are tested against. The **optimized**
//! one runs on Burn's processor backend (`flex`): one pass over memory for what is several tensor operations,
//! on every core, with the processor's widest vectors, found when the program runs. Most have one for
//! graphics devices (Burn's CubeCL backends; feature `cube`). The environment
//! variable `CONTEXT_ENCODER_KERNELS` turns both off for a whole program (`reference`, or its old name
//! `plain`) or makes the processor's use lesser vectors (`avx2`, `scalar`); [`with_reference`] turns them off
//! for one call.
//!
//! | operation | computes | reference |
//! |---|---|---|
//! | [`ConvLayer`] | convolution or transposed convolution, bias, activation | `conv2d`, `conv_transpose2d` |
//! | [`InferenceLayer`] | the same with weights packed and batch norm folded in beforehand | as above |
//! | [`BatchNorm`] | batch norm over the batch or ghost batches, activation | `batch_norm_train` |
//! | [`max_pool`] | max pooling | `max_pool2d` |
//! | [`LocalResponseNorm`] | AlexNet's normalization across channels | tensor arithmetic |
//! | [`resize`] | bilinear interpolation | products with fixed weights |
//! | [`matmul`] | products of matrices | `matmul` |
//! | [`apply_mask`] | an image with its hidden part in one color | tensor arithmetic |
//! | [`smooth_fill`] | an image with its hidden part filled smoothly | tensor arithmetic |
//! | [`tanh`] | hyperbolic tangent | `tanh` |
//! | [`AdamStep`] | one step of Adam | tensor arithmetic |
//! | [`blend`] | a weighted mean of two tensors, such as running statistics | tensor arithmetic |
//!
//! On graphics devices a whole computation can be recorded and computed again in one launch ([`Recording`]).
//!
//! Layout of the crate: a file on this level says what an operation computes, with its reference;
//! `dispatch` decides which implementation runs; `cpu` computes fast on a processor and `cube` on a graphics
//! device, with one entry for each operation; `autograd` enters what they compute into Burn's graph. Files in
//! `cpu` and `cube` import nothing else of this level but plain data (`layer`) and the environment variable.
//! `unsafe` is in `cpu` and `recording` only.

mod adam;
mod autocast;
#[cfg(any(feature = "flex", feature = "cube"))]
mod autograd;
mod batch_norm;
mod bytes;
mod conv;
#[cfg(feature = "flex")]
#[cfg_attr(not(feature = "autodiff"), allow(dead_code, reason = "half of it is gradients"))]
mod cpu;
#[cfg(feature = "cube")]
mod cube;
mod dispatch;
mod inference;
mod layer;
mod local_response_norm;
mod matmul;
mod max_pool;
mod pointwise;
mod recording;
mod resize;
mod smooth_fill;

pub use adam::AdamStep;
pub use autocast::{autocast, autocast_inputs, in_32_bits};
pub use batch_norm::{BatchNorm, BatchStats};
pub use bytes::tensor_of_bytes;
pub use dispatch::{with_reference, without_kinks};
pub use inference::InferenceLayer;
pub use layer::{Activation, ConvGeometry, ConvLayer, Storage};
pub use local_response_norm::LocalResponseNorm;
pub use matmul::matmul;
pub use max_pool::max_pool;
pub use pointwise::{apply_mask, tanh};
pub use recording::{
    ReadyToRecord, Recorded, Recording, Replayer, WARM_UP, blend, copy, in_place, overwrite,
};
pub use resize::resize;
pub use smooth_fill::{RELAXATION_WEIGHTS, smooth_fill};

/// Numbers for tests, and how far results are apart.
#[cfg(test)]
mod testing {
    use std::fmt::Display;

    use burn::tensor::{Device, Tensor, TensorData};

    use crate::ConvLayer;

    /// Uneven numbers of mean near zero, another series for every seed.
    pub(crate) fn noise<const D: usize>(dims: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
        let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
        let values: Vec<f32> = (0..dims.iter().product())
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect();
        Tensor::from_data(TensorData::new(values, dims), device)
    }

    /// Largest difference as a fraction of the largest value.
    pub(crate) fn difference<const D: usize>(got: Tensor<D>, expected: Tensor<D>) -> f32 {
        assert_eq!(got.dims(), expected.dims());
        let largest: f32 = expected.clone().abs().max().into_scalar();
        let apart: f32 = (got - expected).abs().max().into_scalar();
        assert!(apart.is_finite());
        apart / largest
    }

    pub(crate) fn assert_close<const D: usize>(
        got: Tensor<D>,
        expected: Tensor<D>,
        limit: f32,
        what: impl Display,
    ) {
        let apart = difference(got, expected);
        assert!(apart < limit, "{what} differs by {apart}");
    }

    /// Output of `f`, and the gradient of `x` where that of the output is noise.
    pub(crate) fn output_and_gradient(
        x: &Tensor<4>,
        f: impl FnOnce(Tensor<4>) -> Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let y = f(x.clone());
        let grads = (y.clone() * noise(y.dims(), 2, &x.device())).sum().backward();
        (y, x.grad(&grads).expect("tracked"))
    }

    /// Output of a layer with bias on noise, and the gradients of input, weight and bias.
    pub(crate) fn conv_gradients(
        layer: ConvLayer,
        [batch, inputs, outputs, height, width]: [usize; 5],
        forward: impl FnOnce(Tensor<4>, Tensor<4>, Option<Tensor<1>>) -> Tensor<4>,
    ) -> ([Tensor<4>; 3], Tensor<1>) {
        let device = Device::flex().autodiff();
        let x = noise([batch, inputs, height, width], 1, &device).require_grad();
        let weight = noise(layer.weight_shape(inputs, outputs), 2, &device).require_grad();
        let bias = noise([outputs], 3, &device).require_grad();
        let y = forward(x.clone(), weight.clone(), Some(bias.clone()));
        let grads = (y.clone() * noise(y.dims(), 4, &device)).sum().backward();
        let [dx, dw] = [x, weight].map(|tensor| tensor.grad(&grads).expect("tracked"));
        ([y.inner(), dx, dw], bias.grad(&grads).expect("tracked"))
    }
}
