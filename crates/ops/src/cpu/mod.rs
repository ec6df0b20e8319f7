//! The optimized implementations on a processor: Burn's `flex` tensors in, kernels on slices, `flex` tensors
//! out.
//!
//! Each operation has one entry, listed below. From the bottom up: `simd` (vector unit), `buffer` (memory
//! that is used again), `feature_map` (channels last), `gemm` and its relatives
//! (matrix products), then the operations.

mod batch_norm;
mod buffer;
mod channel_stats;
mod conv;
mod feature_map;
mod gemm;
mod gemm_tn;
mod local_response_norm;
mod max_pool;
mod pointwise;
mod simd;
mod skinny_gemm;
mod smooth_fill;
mod weight_matrix;

pub(crate) use batch_norm::batch_norm;
pub(crate) use conv::{PackedWeights, conv};
pub(crate) use local_response_norm::local_response_norm;
pub(crate) use max_pool::max_pool;
pub(crate) use pointwise::{adam, apply_mask, tanh};
pub(crate) use smooth_fill::smooth_fill;
