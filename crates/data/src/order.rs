//! Which picture stands where in a run.

use rand::seq::SliceRandom;

use crate::{Purpose, stream};

/// A place in a run: step `step` of epoch `epoch`, both counted from 0.
///
/// Saved in a checkpoint, it is all that is needed to go on with the batches that would have followed.
///
/// ```
/// use context_encoder_data::Position;
/// assert_eq!(Position::default(), Position { epoch: 0, step: 0 });
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Position {
    /// How many epochs are complete.
    pub epoch: u64,
    /// How many batches of this epoch are complete.
    pub step: u64,
}

impl Position {
    /// The number of batches before this place.
    pub(crate) fn number(self, steps_per_epoch: u64) -> u64 {
        self.epoch.saturating_mul(steps_per_epoch).saturating_add(self.step)
    }

    /// The place with `number` batches before it.
    pub(crate) fn from_number(number: u64, steps_per_epoch: u64) -> Self {
        Self { epoch: number / steps_per_epoch, step: number % steps_per_epoch }
    }
}

/// In which order an epoch shows the pictures, each exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A new random order for every epoch: for training.
    #[default]
    Shuffled,
    /// The order of the source: for evaluation.
    Sequential,
}

impl Order {
    /// The numbers of an epoch's pictures, in the order in which they are shown.
    ///
    /// Depends on (`seed`, `epoch`, `len`) alone. Every batch works it out anew, which costs about 5 ns a picture:
    /// nothing beside decoding even for a million pictures, and it leaves no state to save.
    pub(crate) fn indices(self, seed: u64, epoch: u64, len: usize) -> Vec<usize> {
        let mut indices: Vec<_> = (0..len).collect();
        if self == Self::Shuffled {
            indices.shuffle(&mut stream(seed, Purpose::Order, epoch, 0));
        }
        indices
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn epochs_and_seeds_have_different_orders() {
        let first = Order::Shuffled.indices(1, 0, 50);
        assert_eq!(first, Order::Shuffled.indices(1, 0, 50));
        assert_ne!(first, Order::Shuffled.indices(1, 1, 50));
        assert_ne!(first, Order::Shuffled.indices(2, 0, 50));
        assert_eq!(Order::Sequential.indices(1, 9, 3), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn an_epoch_shows_each_picture_once(seed: u64, epoch: u64, len in 0..200_usize) {
            let mut indices = Order::Shuffled.indices(seed, epoch, len);
            indices.sort_unstable();
            prop_assert_eq!(indices, (0..len).collect::<Vec<_>>());
        }

        #[test]
        fn positions_and_numbers_are_one_to_one(number: u64, steps in 1..10_000_u64) {
            let position = Position::from_number(number, steps);
            prop_assert!(position.step < steps);
            prop_assert_eq!(position.number(steps), number);
        }
    }
}
