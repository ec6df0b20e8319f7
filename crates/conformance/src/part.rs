//! One part of the library to be checked, and its inputs.

use std::error::Error;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::check::Output;

/// How large the networks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Narrow networks for pictures of 64 pixels: seconds on a processor.
    #[default]
    Small,
    /// Presets `authors` and `recommended` as they are trained, 128 pixels: for graphics cards; minutes on a
    /// processor.
    Full,
}

/// What a part computes, or why it cannot.
pub(crate) type Outputs = Result<Vec<Output>, Box<dyn Error>>;

/// One part of the library, computed on whatever device it is given.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) compute: Box<dyn Fn(&Device) -> Outputs>,
}

impl Part {
    pub(crate) fn new(name: &'static str, compute: impl Fn(&Device) -> Outputs + 'static) -> Self {
        Self { name, compute: Box::new(compute) }
    }
}

/// Uniform noise in `[-1, 1]`, another series for every seed, the same on every device.
pub(crate) fn noise<const D: usize>(dims: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..dims.iter().product::<usize>()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Masks `[batch, 1, side, side]` (1 = hidden) with a square in their middle, a margin of `overlap` pixels
/// left visible.
pub(crate) fn central_masks(batch: usize, side: usize, overlap: usize, device: &Device) -> Tensor<4> {
    let (first, end) = (side / 4 + overlap, 3 * side / 4 - overlap);
    Tensor::zeros([batch, 1, side, side], device).slice_fill([0..batch, 0..1, first..end, first..end], 1.0)
}
