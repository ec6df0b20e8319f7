//! What the parts are fed.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Uneven numbers in `[-1, 1]`, another series for every seed, the same on every device.
pub(super) fn noise<const D: usize>(dims: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..dims.iter().product::<usize>()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Masks (1 = hidden) with a square in their middle, a margin of `overlap` pixels left visible.
pub(super) fn central(batch: usize, side: usize, overlap: usize, device: &Device) -> Tensor<4> {
    let (first, end) = (side / 4 + overlap, 3 * side / 4 - overlap);
    Tensor::zeros([batch, 1, side, side], device).slice_fill([0..batch, 0..1, first..end, first..end], 1.0)
}
