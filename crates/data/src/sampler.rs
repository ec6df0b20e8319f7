//! The order of the images in an epoch.

use std::ops::Range;

use rand::seq::SliceRandom;

use crate::{Purpose, rng_for};

/// How many shards are mixed with one another at most.
pub(crate) const SHARDS_MIXED: usize = 16;

/// In which order an epoch shows the images, each exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampler {
    /// A new random permutation for every epoch: for training. Where images lie in
    /// [shards](crate::ImageDataset::shard_starts) the shards are in random order, and the images of up to
    /// sixteen shards at a time.
    #[default]
    Shuffled,
    /// The order of the dataset: for evaluation.
    Sequential,
}

impl Sampler {
    /// The indices of the images at `positions` of an epoch over `len` images, whose shards begin at
    /// `shard_starts` (empty: no shards).
    ///
    /// Depends on the arguments alone. Every call works the permutation out anew, which leaves no state to
    /// save and costs about 5 ns an image (with shards: a shard, and an image of the shards that are
    /// mixed): nothing beside decoding, even for a million images.
    ///
    /// # Panics
    /// When `positions` reaches beyond `len`.
    #[must_use]
    pub fn indices(
        self,
        positions: Range<usize>,
        seed: u64,
        epoch: u64,
        len: usize,
        shard_starts: &[usize],
    ) -> Vec<usize> {
        match (self, shard_starts) {
            (Self::Sequential, _) => positions.collect(),
            (Self::Shuffled, []) => {
                let mut indices: Vec<_> = (0..len).collect();
                indices.shuffle(&mut rng_for(seed, Purpose::Order, epoch, 0));
                indices[positions].to_vec()
            }
            (Self::Shuffled, starts) => shuffled_by_shards(positions, seed, epoch, starts, len),
        }
    }

    /// Batch `step` of a run whose batches continue across the ends of epochs, so that each is full: the
    /// epoch and the index of every image. Each epoch shows each of the `len` images once.
    ///
    /// # Panics
    /// When `len` is 0.
    ///
    /// ```
    /// use context_encoder_data::Sampler;
    ///
    /// let batch = Sampler::Sequential.continuous_batch(0, 1, 4, 5);
    /// assert_eq!(batch, [(0, 4), (1, 0), (1, 1), (1, 2)]); // (epoch, index)
    /// ```
    #[must_use]
    pub fn continuous_batch(self, seed: u64, step: u64, batch_size: usize, len: usize) -> Vec<(u64, usize)> {
        assert!(len > 0, "a batch needs a dataset with at least one image");
        let mut next = step * batch_size as u64;
        let end = next + batch_size as u64;
        let mut batch = Vec::with_capacity(batch_size);
        while next < end {
            let (epoch, start) = (next / len as u64, (next % len as u64) as usize);
            let stop = (start as u64 + (end - next)).min(len as u64) as usize;
            let indices = self.indices(start..stop, seed, epoch, len, &[]);
            batch.extend(indices.into_iter().map(|index| (epoch, index)));
            next += (stop - start) as u64;
        }
        batch
    }
}

/// Shards in random order, in groups of equal size, and the images of each group in random order.
fn shuffled_by_shards(
    positions: Range<usize>,
    seed: u64,
    epoch: u64,
    starts: &[usize],
    len: usize,
) -> Vec<usize> {
    let images = |&shard: &usize| starts[shard]..starts.get(shard + 1).copied().unwrap_or(len);
    let mut shards: Vec<_> = (0..starts.len()).collect();
    shards.shuffle(&mut rng_for(seed, Purpose::Order, epoch, 0));
    let mut indices = Vec::with_capacity(positions.len());
    let mut end = 0;
    let groups = shards.len().div_ceil(SHARDS_MIXED);
    let border = |group: usize| group * shards.len() / groups;
    for number in 0..groups {
        let group = &shards[border(number)..border(number + 1)];
        let first = end;
        end += group.iter().map(|shard| images(shard).len()).sum::<usize>();
        if end <= positions.start {
            continue;
        }
        if first >= positions.end {
            break;
        }
        let mut mixed: Vec<_> = group.iter().flat_map(images).collect();
        mixed.shuffle(&mut rng_for(seed, Purpose::Order, epoch, number as u64 + 1));
        indices.extend(&mixed[positions.start.max(first) - first..positions.end.min(end) - first]);
    }
    indices
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where shards of these sizes start (empty for one size: no shards), and how many images they have.
    fn shards(sizes: &[usize]) -> (Vec<usize>, usize) {
        let mut end = 0;
        let starts = sizes.iter().map(|size| {
            end += size;
            end - size
        });
        let starts = starts.collect::<Vec<_>>();
        (if sizes.len() > 1 { starts } else { Vec::new() }, end)
    }

    fn epoch(sampler: Sampler, sizes: &[usize], seed: u64, epoch: u64) -> Vec<usize> {
        let (starts, len) = shards(sizes);
        sampler.indices(0..len, seed, epoch, len, &starts)
    }

    #[test]
    fn epochs_and_seeds_have_different_orders() {
        for sizes in [&[50][..], &[20, 0, 30]] {
            let first = epoch(Sampler::Shuffled, sizes, 1, 0);
            assert_eq!(first, epoch(Sampler::Shuffled, sizes, 1, 0));
            assert_ne!(first, epoch(Sampler::Shuffled, sizes, 1, 1));
            assert_ne!(first, epoch(Sampler::Shuffled, sizes, 2, 0));
            assert_eq!(epoch(Sampler::Sequential, sizes, 1, 9)[..3], [0, 1, 2]);
        }
    }

    #[test]
    fn permutations_stay_what_they_were() {
        assert_eq!(epoch(Sampler::Shuffled, &[8], 7, 3), [7, 6, 0, 1, 5, 2, 3, 4]);
        assert_eq!(epoch(Sampler::Shuffled, &[3, 5], 7, 3), [2, 4, 3, 6, 7, 1, 5, 0]);
    }

    #[test]
    fn groups_of_shards_are_mixed() {
        let indices = |shards: usize| epoch(Sampler::Shuffled, &vec![10; shards], 3, 0);
        let forty = indices(40);
        let shards = |images: &[usize]| {
            let mut shards: Vec<_> = images.iter().map(|image| image / 10).collect();
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
        assert_eq!(shards(&indices(241)[2410 - 160..]).0, 16);
    }

    #[test]
    fn continuous_batches_are_the_epochs_one_after_the_other() {
        let run: Vec<_> = (0..7).flat_map(|step| Sampler::Shuffled.continuous_batch(3, step, 3, 7)).collect();
        let epochs = (0..3).flat_map(|number| {
            epoch(Sampler::Shuffled, &[7], 3, number).into_iter().map(move |index| (number, index))
        });
        assert_eq!(run, epochs.collect::<Vec<_>>());
        // A batch larger than the dataset.
        assert_eq!(
            Sampler::Sequential.continuous_batch(0, 1, 5, 2),
            [(2, 1), (3, 0), (3, 1), (4, 0), (4, 1)]
        );
    }

    proptest! {
        #[test]
        fn an_epoch_shows_each_image_once(
            seed: u64, number: u64, sizes in prop::collection::vec(0..9_usize, 1..50), batch in 1..20_usize,
        ) {
            let (starts, len) = shards(&sizes);
            for sampler in [Sampler::Shuffled, Sampler::Sequential] {
                let mut all = epoch(sampler, &sizes, seed, number);
                let batches = (0..len).step_by(batch).flat_map(|first| {
                    sampler.indices(first..(first + batch).min(len), seed, number, len, &starts)
                });
                prop_assert_eq!(&batches.collect::<Vec<_>>(), &all);
                all.sort_unstable();
                prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
            }
        }
    }
}
