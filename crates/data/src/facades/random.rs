//! Randomness of an image: a stream of random numbers, and noise that depends on position alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Last sixteen bytes of the key: they keep this stream apart from all others of the same seed.
const PURPOSE: &[u8; 16] = b"context facades\0";

/// Uniform draws keyed by (seed, index).
///
/// The draws are made here from whole 32-bit words, so an image does not change when a sampling routine of
/// the `rand` crate does.
pub(super) struct FacadeRng(ChaCha8Rng);

impl FacadeRng {
    /// The stream of image `index` of the dataset with this `seed`.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..].copy_from_slice(PURPOSE);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A word that keeps a pattern of [`hash`] apart from others.
    pub(super) fn salt(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in [`low`, `high`).
    pub(super) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        /// One step of a 24-bit fraction, the finest that `f32` holds exactly.
        const STEP: f32 = 1.0 / (1 << 24) as f32;
        low + (high - low) * ((self.0.next_u32() >> 8) as f32 * STEP)
    }

    /// An integer from `low` to `high`, both included.
    pub(super) fn integer(&mut self, low: u32, high: u32) -> u32 {
        let choices = u64::from(high - low + 1);
        low + ((u64::from(self.0.next_u32()) * choices) >> 32) as u32
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.uniform(0.0, 1.0) < probability
    }

    /// One of the choices; a choice listed twice is twice as likely.
    pub(super) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.integer(0, choices.len() as u32 - 1) as usize]
    }
}

/// A hash of the integer position (`x`, `y`) and of the `salt` of a pattern.
#[inline]
pub(super) fn hash(x: i32, y: i32, salt: u32) -> u32 {
    // Multipliers and shifts of the `lowbias32` integer hash.
    let mut word = salt ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    word = (word ^ (word >> 16)).wrapping_mul(0x7FEB_352D);
    word = (word ^ (word >> 15)).wrapping_mul(0x846C_A68B);
    word ^ (word >> 16)
}

/// [`hash`] as a number in [0, 1).
#[inline]
pub(super) fn hash_unit(x: i32, y: i32, salt: u32) -> f32 {
    (hash(x, y, salt) >> 8) as i32 as f32 * (1.0 / (1 << 24) as f32)
}

/// Largest integer not above `value`, for values above -4096.
#[inline]
pub(super) fn fast_floor(value: f32) -> i32 {
    /// Makes every argument positive, where truncation rounds down.
    const SHIFT: i32 = 4096;
    (value + SHIFT as f32) as i32 - SHIFT
}

/// Value noise in [-1, 1]: random values on a lattice, interpolated in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueNoise {
    /// Width and height of a lattice cell, in meters.
    pub(super) cell: [f32; 2],
    pub(super) salt: u32,
}

impl ValueNoise {
    /// Adds `amplitude` times the noise at height `y` to `values`, which lie `step` apart from x = `left` on.
    pub(super) fn add_row(&self, y: f32, left: f32, step: f32, amplitude: f32, values: &mut [f32]) {
        let y = y / self.cell[1];
        let row = fast_floor(y);
        let weight = smoothstep(y - row as f32);
        let lattice = |column: i32| {
            let below = hash_unit(column, row, self.salt);
            amplitude * (2.0 * (below + (hash_unit(column, row + 1, self.salt) - below) * weight) - 1.0)
        };
        let (mut x, stride) = (left / self.cell[0], step / self.cell[0]);
        let mut column = fast_floor(x);
        let mut ends = (lattice(column), lattice(column + 1));
        for value in values {
            let here = fast_floor(x);
            if here != column {
                ends = if here == column + 1 {
                    (ends.1, lattice(here + 1))
                } else {
                    (lattice(here), lattice(here + 1))
                };
                column = here;
            }
            *value += ends.0 + (ends.1 - ends.0) * smoothstep(x - here as f32);
            x += stride;
        }
    }
}

/// Rises from 0 to 1 with derivative 0 at either end.
#[inline]
fn smoothstep(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range() {
        let mut rng = FacadeRng::new(3, 4);
        let mut seen = [false; 4];
        for _ in 0..1000 {
            assert!((-2.0..5.0).contains(&rng.uniform(-2.0, 5.0)));
            seen[rng.integer(0, 3) as usize] = true;
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn seed_and_index_are_not_interchangeable() {
        assert_ne!(FacadeRng::new(1, 2).salt(), FacadeRng::new(2, 1).salt());
    }

    #[test]
    fn noise_is_bounded_and_smooth() {
        let noise = ValueNoise { cell: [0.5, 0.5], salt: 9 };
        let mut values = vec![0.0; 400];
        noise.add_row(1.3, -2.0, 0.01, 1.0, &mut values);
        assert!(values.iter().all(|value| value.abs() <= 1.0));
        // The steepest gradient is 1.5 times the largest difference of 2, per cell of 50 steps.
        assert!(values.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 0.0601));
        let (low, high) = values.iter().fold((1.0_f32, -1.0_f32), |(l, h), v| (l.min(*v), h.max(*v)));
        assert!(high - low > 0.5);
    }

    #[test]
    fn fast_floor_rounds_down_on_both_sides_of_zero() {
        assert_eq!([fast_floor(-1.25), fast_floor(-1.0), fast_floor(0.75), fast_floor(2.0)], [-2, -1, 0, 2]);
    }
}
