//! How many bits a weight has in memory.

use burn::tensor::{Tensor, TensorData};

/// How a [`InferenceLayer`](crate::InferenceLayer) layer keeps its weights. Computed is in 32 bits either way.
///
/// | | bytes | relative error of a weight |
/// |---|---|---|
/// | `F32` | 4 | none |
/// | `Bf16` | 2 | 2^-8 at most |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Storage {
    /// 32 bits, as they are.
    #[default]
    F32,
    /// Rounded to 16 bits, on every device. They take half the memory on Burn's processor backend where
    /// a kernel is as large as the map: a small batch waits for these weights to come from memory.
    /// Other layers keep the rounded weights in 32 bits, since they stay in the cache.
    Bf16,
}

impl Storage {
    /// The weights as this storage has them, in 32 bits again.
    pub(crate) fn rounded<const D: usize>(self, weights: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => weights,
            Self::Bf16 => {
                let (device, dims) = (weights.device(), weights.dims());
                let values: Vec<f32> = weights.into_data().iter::<f32>().map(rounded).collect();
                Tensor::from_data(TensorData::new(values, dims), &device)
            }
        }
    }
}

/// The bits of the nearest number of 16 bits; of two as near, the even one.
pub(crate) fn bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40; // remains one, whichever half its payload is in
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// The nearest number of 16 bits.
pub(crate) fn rounded(value: f32) -> f32 {
    f32::from_bits(u32::from(bits(value)) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_the_nearest_of_eight_binary_digits() {
        let step = 1.0 / 128.0; // from 1 to 2
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 0.4 * step, 1.0),
            (1.0 + 0.6 * step, 1.0 + step),
            (-1.0 - 0.6 * step, -1.0 - step),
            (1.0 + 0.5 * step, 1.0),              // to the even one
            (1.0 + 1.5 * step, 1.0 + 2.0 * step), // likewise
            (0.0, 0.0),
            (f32::MAX, f32::INFINITY),
        ] {
            assert_eq!(rounded(value), expected, "{value}");
        }
        assert!(rounded(f32::from_bits(0x7F80_0001)).is_nan());
    }
}
