//! Numbers for tests, and how far results are apart.

use burn::tensor::{Device, Tensor, TensorData};

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

/// Largest difference as a share of the largest value.
pub(crate) fn difference<const D: usize>(got: Tensor<D>, expected: Tensor<D>) -> f32 {
    assert_eq!(got.dims(), expected.dims());
    let largest: f32 = expected.clone().abs().max().into_scalar();
    let apart: f32 = (got - expected).abs().max().into_scalar();
    assert!(apart.is_finite());
    apart / largest
}
