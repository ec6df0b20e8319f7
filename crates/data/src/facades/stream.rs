//! The random stream behind one picture.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Last sixteen bytes of the key: they keep this stream apart from every other user of the same seed.
const PURPOSE: &[u8; 16] = b"context facades\0";

/// Uniform draws keyed by (seed, index).
///
/// The draws are made here from whole 32-bit words, so a picture does not change when a
/// sampling routine of the `rand` crate does.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of picture `index` of the data set with this `seed`.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..].copy_from_slice(PURPOSE);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A word that seeds the position hash of [`grain`](super::grain).
    pub(super) fn salt(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in [`low`, `high`).
    pub(super) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        /// One step of a 24-bit fraction, the finest that `f32` holds exactly.
        const STEP: f32 = 1.0 / (1 << 24) as f32;
        low + (high - low) * ((self.0.next_u32() >> 8) as f32 * STEP)
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn whole(&mut self, low: u32, high: u32) -> u32 {
        let choices = u64::from(high - low + 1);
        low + ((u64::from(self.0.next_u32()) * choices) >> 32) as u32
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.uniform(0.0, 1.0) < probability
    }

    /// One of the choices; a choice listed twice is twice as likely.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.whole(0, choices.len() as u32 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range() {
        let mut stream = Stream::new(3, 4);
        let mut seen = [false; 4];
        for _ in 0..1000 {
            assert!((-2.0..5.0).contains(&stream.uniform(-2.0, 5.0)));
            seen[stream.whole(0, 3) as usize] = true;
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn seed_and_index_are_not_interchangeable() {
        assert_ne!(Stream::new(1, 2).salt(), Stream::new(2, 1).salt());
    }
}
