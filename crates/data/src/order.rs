//! Which picture stands where in a run.

use std::ops::Range;

use rand::seq::SliceRandom;

use crate::{PictureSource, Purpose, rng_for};

/// How many shards at most are read from at a time, their pictures mixed.
pub(crate) const TOGETHER: usize = 16;

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
    /// A new random order for every epoch: for training. Where pictures lie in
    /// [shards](crate::PictureSource::shards) the shards are in random order, and the pictures of up to sixteen at a time.
    #[default]
    Shuffled,
    /// The order of the source: for evaluation.
    Sequential,
}

impl Order {
    /// The numbers of the pictures that stand at `places` of an epoch.
    ///
    /// Depends on (`seed`, `epoch`), the number of pictures and where shards begin, alone. Every batch works it out anew,
    /// which leaves no state to save and costs about 5 ns a picture, or a shard and a picture of [`TOGETHER`] shards:
    /// nothing beside decoding even for a million.
    pub(crate) fn at(
        self,
        places: Range<usize>,
        seed: u64,
        epoch: u64,
        source: &dyn PictureSource,
    ) -> Vec<usize> {
        match (self, source.shards()) {
            (Self::Sequential, _) => places.collect(),
            (Self::Shuffled, []) => {
                let mut indices: Vec<_> = (0..source.len()).collect();
                indices.shuffle(&mut rng_for(seed, Purpose::Order, epoch, 0));
                indices[places].to_vec()
            }
            (Self::Shuffled, starts) => shuffled_by_shards(places, seed, epoch, starts, source.len()),
        }
    }
}

/// Shards in random order, and the pictures of each group of them in random order; groups are as large as one another.
fn shuffled_by_shards(
    places: Range<usize>,
    seed: u64,
    epoch: u64,
    starts: &[usize],
    len: usize,
) -> Vec<usize> {
    let pictures = |&shard: &usize| starts[shard]..starts.get(shard + 1).copied().unwrap_or(len);
    let mut shards: Vec<_> = (0..starts.len()).collect();
    shards.shuffle(&mut rng_for(seed, Purpose::Order, epoch, 0));
    let mut shown = Vec::with_capacity(places.len());
    let mut end = 0;
    let groups = shards.len().div_ceil(TOGETHER);
    let border = |number: usize| number * shards.len() / groups;
    for number in 0..groups {
        let together = &shards[border(number)..border(number + 1)];
        let first = end;
        end += together.iter().map(|shard| pictures(shard).len()).sum::<usize>();
        if end <= places.start {
            continue;
        }
        if first >= places.end {
            break;
        }
        let mut mixed: Vec<_> = together.iter().flat_map(pictures).collect();
        mixed.shuffle(&mut rng_for(seed, Purpose::Order, epoch, number as u64 + 1));
        shown.extend(&mixed[places.start.max(first) - first..places.end.min(end) - first]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use proptest::prelude::*;

    use super::*;
    use crate::DataError;

    /// Pictures in shards of these sizes; in none where there is one size.
    struct Sizes(Vec<usize>, usize);

    impl Sizes {
        fn new(sizes: &[usize]) -> Self {
            let mut end = 0;
            let starts = sizes.iter().map(|size| {
                end += size;
                end - size
            });
            Self(starts.collect(), sizes.iter().sum())
        }

        fn epoch(&self, order: Order, seed: u64, epoch: u64) -> Vec<usize> {
            order.at(0..self.1, seed, epoch, self)
        }
    }

    impl PictureSource for Sizes {
        fn len(&self) -> usize {
            self.1
        }

        fn picture(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
            unreachable!("picture {index} is not asked for")
        }

        fn name(&self, index: usize) -> String {
            index.to_string()
        }

        fn shards(&self) -> &[usize] {
            if self.0.len() > 1 { &self.0 } else { &[] }
        }
    }

    #[test]
    fn epochs_and_seeds_have_different_orders() {
        for source in [Sizes::new(&[50]), Sizes::new(&[20, 0, 30])] {
            let first = source.epoch(Order::Shuffled, 1, 0);
            assert_eq!(first, source.epoch(Order::Shuffled, 1, 0));
            assert_ne!(first, source.epoch(Order::Shuffled, 1, 1));
            assert_ne!(first, source.epoch(Order::Shuffled, 2, 0));
            assert_eq!(source.epoch(Order::Sequential, 1, 9)[..3], [0, 1, 2]);
        }
    }

    #[test]
    fn groups_of_shards_are_mixed() {
        let shown = |shards: usize| Sizes::new(&vec![10; shards]).epoch(Order::Shuffled, 3, 0);
        let forty = shown(40);
        let shards = |pictures: &[usize]| {
            let mut shards: Vec<_> = pictures.iter().map(|picture| picture / 10).collect();
            let changes = shards.windows(2).filter(|pair| pair[0] != pair[1]).count();
            shards.sort_unstable();
            shards.dedup();
            (shards.len(), changes)
        };
        for (part, count) in [(0..130, 13), (130..260, 13), (260..400, 14)] {
            let (different, changes) = shards(&forty[part.clone()]);
            assert_eq!(different, count, "{part:?}");
            assert!(changes > part.len() / 2, "{changes} changes of shard among {part:?}");
        }
        // One shard more than fifteen groups of sixteen hold: no group is of one.
        assert_eq!(shards(&shown(241)[2410 - 160..]).0, 16);
    }

    proptest! {
        #[test]
        fn an_epoch_shows_each_picture_once(
            seed: u64, epoch: u64, sizes in prop::collection::vec(0..9_usize, 1..50), batch in 1..20_usize,
        ) {
            for order in [Order::Shuffled, Order::Sequential] {
                let source = Sizes::new(&sizes);
                let mut shown = source.epoch(order, seed, epoch);
                let starts = (0..source.1).step_by(batch);
                let batches = starts.flat_map(|first| {
                    order.at(first..(first + batch).min(source.1), seed, epoch, &source)
                });
                prop_assert_eq!(&batches.collect::<Vec<_>>(), &shown);
                shown.sort_unstable();
                prop_assert_eq!(shown, (0..source.1).collect::<Vec<_>>());
            }
        }

        #[test]
        fn positions_and_numbers_are_one_to_one(number: u64, steps in 1..10_000_u64) {
            let position = Position::from_number(number, steps);
            prop_assert!(position.step < steps);
            prop_assert_eq!(position.number(steps), number);
        }
    }
}
