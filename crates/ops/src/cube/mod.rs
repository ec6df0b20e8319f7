//! The optimized implementations on Burn's graphics backends: CubeCL kernels, the same source for CUDA, ROCm,
//! Vulkan, Metal and WebGPU.
//!
//! A convolution is a product of matrices, which is what these devices compute fastest: of the large map as
//! one row of values for each position of the small one. Both directions and the gradients of weights are
//! such products, so all three passes of both convolutions reach the tensor cores. Where these are of a known
//! form, one kernel gathers such rows while it multiplies (`implicit_gemm`); elsewhere they are written,
//! multiplied by Burn's kernels and folded back (`columns`). Maps are channels last in memory, by strides
//! only.
//!
//! From the bottom up: `layout` (tensors as matrices), `sum` (parts of products, and what follows them),
//! `columns`, `implicit_gemm`, `weight_matrix`, `batch_norm`, `leaky_relu`, `local_response_norm`, `resize`,
//! `apply_mask`, `adam` and `state` (kernels and their launches), `backend` (the same as operations of Burn's
//! backends, recorded by its fusion), `layers` (the entries listed below, with their gradients).

mod adam;
mod apply_mask;
mod backend;
mod batch_norm;
mod columns;
mod implicit_gemm;
mod layers;
mod layout;
mod leaky_relu;
mod local_response_norm;
mod resize;
mod state;
mod sum;
mod weight_matrix;

pub(crate) use layers::{
    InferenceWeights, adam, apply_mask, batch_norm, blend, conv, copy, leaky_relu, local_response_norm,
    matmul, recorded_adam, resize,
};
