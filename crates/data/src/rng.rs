//! Independent random streams, one for each decision.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a random stream is used for: two purposes never share numbers.
///
/// The discriminants are part of every run's reproducibility: add new purposes at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u64)]
pub enum Purpose {
    /// The order of the images in an epoch.
    Order = 0,
    /// Where an image is cropped, whether it is flipped, how its colors change.
    Crop = 1,
    /// The mask of an image.
    Mask = 2,
    /// The mask that all images of a batch share.
    BatchMask = 3,
    /// Which image replaces one that cannot be read.
    Replacement = 4,
    /// What a generated image shows.
    Image = 5,
    /// What dropout sets to zero in a step.
    Dropout = 6,
    /// The noise that a network takes beside an image.
    Noise = 7,
}

/// The random stream of one decision: (`seed`, `purpose`, `epoch`, `index`).
///
/// The generator's 32-byte key *is* the four numbers, little-endian, 8 bytes each. Nothing is hashed, so
/// different decisions always have different keys; and no decision depends on the ones before it, so neither
/// the number of threads nor the step from which a run resumes can change it.
///
/// # Examples
/// ```
/// use context_encoder_data::{Purpose, rng_for};
/// use rand::Rng;
///
/// let mut crop = rng_for(7, Purpose::Crop, 0, 12);
/// let mut again = rng_for(7, Purpose::Crop, 0, 12);
/// let mut mask = rng_for(7, Purpose::Mask, 0, 12);
/// let number = crop.next_u64();
/// assert_eq!(number, again.next_u64());
/// assert_ne!(number, mask.next_u64());
/// ```
#[must_use]
pub fn rng_for(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn the_key_is_the_four_numbers() {
        let key = rng_for(0x0102, Purpose::Mask, 3, u64::MAX).get_seed();
        let mut expected = [0; 32];
        expected[0] = 2;
        expected[1] = 1;
        expected[8] = 2;
        expected[16] = 3;
        expected[24..].fill(0xff);
        assert_eq!(key, expected);
    }

    #[test]
    fn swapping_two_numbers_changes_the_stream() {
        let first = rng_for(1, Purpose::Crop, 2, 3).next_u64();
        assert_ne!(first, rng_for(1, Purpose::Crop, 3, 2).next_u64());
        assert_ne!(first, rng_for(2, Purpose::Crop, 1, 3).next_u64());
        assert_ne!(first, rng_for(1, Purpose::Mask, 2, 3).next_u64());
    }
}
