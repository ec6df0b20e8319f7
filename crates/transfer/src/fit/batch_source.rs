//! Which pictures a step sees.

use burn::tensor::Device;
use context_encoder_data::{Purpose, rng_for};
use rand::seq::SliceRandom;

use crate::TransferError;

/// One picture's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// How often all pictures have had a turn before.
    pub epoch: u64,
    /// Number of the picture.
    pub index: usize,
}

/// What a head learns from.
pub trait BatchSource<B> {
    /// How many pictures there are.
    fn len(&self) -> usize;

    /// Whether there is nothing to learn from.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A batch. What is random in it comes from (`seed`, epoch, index) alone.
    ///
    /// # Errors
    /// Those of reading pictures.
    fn batch(&self, seed: u64, items: &[Item], device: &Device) -> Result<B, TransferError>;
}

/// The pictures of a step: every epoch shows each once, in an order of its own; batches run on from epoch to
/// epoch.
pub(super) fn items(seed: u64, step: u64, batch_size: usize, len: usize) -> Vec<Item> {
    assert!(len > 0, "there is nothing to learn from");
    let first = step * batch_size as u64;
    let mut order: (Option<u64>, Vec<usize>) = (None, Vec::new());
    (first..first + batch_size as u64)
        .map(|number| {
            let (epoch, place) = (number / len as u64, (number % len as u64) as usize);
            if order.0 != Some(epoch) {
                let mut indices: Vec<usize> = (0..len).collect();
                indices.shuffle(&mut rng_for(seed, Purpose::Order, epoch, 0));
                order = (Some(epoch), indices);
            }
            Item { epoch, index: order.1[place] }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_shows_each_picture_once() {
        let shown: Vec<Item> = (0..7).flat_map(|step| items(3, step, 3, 7)).collect();
        for epoch in 0..3 {
            let mut indices: Vec<usize> =
                shown.iter().filter(|item| item.epoch == epoch).map(|item| item.index).collect();
            assert_ne!(indices, [0, 1, 2, 3, 4, 5, 6]);
            indices.sort_unstable();
            assert_eq!(indices, [0, 1, 2, 3, 4, 5, 6]);
        }
        assert_eq!(items(3, 5, 3, 7), shown[15..18]);
        assert_ne!(items(4, 0, 7, 7), items(3, 0, 7, 7));
    }
}
