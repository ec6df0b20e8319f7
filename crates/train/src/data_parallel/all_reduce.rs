//! All-reduce among the threads of several ranks.

use std::{
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use burn::tensor::{Device, Tensor};

/// Below so many numbers every rank adds all of them up itself, which saves a second exchange.
const SMALL: usize = 4096;

/// The exchange of tensors among a fixed number of threads: each gives some and gets all.
struct AllReduce {
    state: Mutex<State>,
    changed: Condvar,
    /// Held by the thread that fetches tensors from other devices.
    fetching: Mutex<()>,
}

struct State {
    /// What was given to this exchange, by rank.
    given: Vec<Option<Vec<Tensor<1>>>>,
    /// What was given to the last exchange, until every rank has it.
    complete: Arc<[Vec<Tensor<1>>]>,
    /// How many ranks have yet to take it.
    to_take: usize,
    /// Exchanges that are complete.
    exchanges: u64,
    /// A rank has panicked.
    aborted: bool,
}

/// The panic of a rank because another one has panicked; that one's panic is the one to report.
pub(crate) struct Aborted;

impl AllReduce {
    fn new(ranks: usize) -> Self {
        let complete = Arc::new([]);
        let state = State { given: vec![None; ranks], complete, to_take: 0, exchanges: 0, aborted: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), fetching: Mutex::new(()) }
    }

    /// Gives tensors, waits for all other ranks' (all-gather), and returns all of them in order of rank.
    ///
    /// # Panics
    /// With [`Aborted`] when another rank has panicked.
    fn gather(&self, rank: usize, tensors: Vec<Tensor<1>>) -> Arc<[Vec<Tensor<1>>]> {
        let mut state = self.lock();
        let exchange = state.exchanges;
        state.given[rank] = Some(tensors);
        if state.given.iter().all(Option::is_some) {
            // Every rank has taken the last exchange's: one that has not, has not given anything to this one.
            state.complete = state.given.iter_mut().filter_map(Option::take).collect();
            state.to_take = state.complete.len();
            state.exchanges += 1;
            self.changed.notify_all();
        }
        while state.exchanges == exchange {
            if state.aborted {
                drop(state);
                std::panic::resume_unwind(Box::new(Aborted));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.to_take -= 1;
        if state.to_take == 0 {
            std::mem::replace(&mut state.complete, Arc::new([]))
        } else {
            state.complete.clone()
        }
    }

    /// Tensors of any devices on one.
    ///
    /// One thread at a time: between CUDA's devices that is a send on one and a receive on the other, in
    /// queues of their own, and two that cross would wait for each other.
    fn fetch(&self, tensors: impl Iterator<Item = Tensor<1>>, device: &Device) -> Vec<Tensor<1>> {
        let _alone = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        tensors.map(|tensor| tensor.to_device(device)).collect()
    }

    /// Makes all waiting ranks panic, now and later.
    fn abort(&self) {
        self.lock().aborted = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rank of data-parallel training: one of several threads that each train a replica on their part of every
/// batch.
///
/// All ranks ask for the same means in the same order, each in its own thread.
#[derive(Clone)]
pub struct Rank {
    index: usize,
    count: usize,
    all_reduce: Arc<AllReduce>,
}

impl Rank {
    /// All of so many ranks, in order.
    pub(crate) fn all(count: usize) -> Vec<Self> {
        let all_reduce = Arc::new(AllReduce::new(count));
        (0..count).map(|index| Self { index, count, all_reduce: all_reduce.clone() }).collect()
    }

    /// Its number, from 0.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// How many ranks there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The means of what all ranks give, on this one's device: the same to the last bit for all of them,
    /// since each number is added up in order of rank.
    ///
    /// Each rank adds up some of the pieces and fetches the others' sums, so that each number travels to one
    /// device and from there to all (reduce-scatter and all-gather).
    ///
    /// # Shapes
    /// - input and output: each `[numbers]`, without gradients, as many for every rank
    ///
    /// # Panics
    /// When another rank has panicked.
    pub(crate) fn mean(&self, mine: Vec<Tensor<1>>) -> Vec<Tensor<1>> {
        let Some(device) = mine.first().map(Tensor::device) else { return mine };
        let lengths: Vec<usize> = mine.iter().map(|tensor| tensor.dims()[0]).collect();
        let all = self.all_reduce.gather(self.index, mine);
        let mean = |piece: &Piece| {
            let parts = all.iter().map(|given| piece.of(given));
            let mut parts = self.all_reduce.fetch(parts, &device).into_iter();
            let first = parts.next().unwrap_or_else(|| unreachable!("its own is among them"));
            parts.fold(first, |sum, part| sum + part).div_scalar(self.count as f64)
        };
        if lengths.iter().sum::<usize>() < SMALL {
            return pieces(&lengths, 1).iter().map(mean).collect();
        }
        let pieces = pieces(&lengths, self.count);
        let own = pieces.iter().filter(|piece| piece.owner == self.index).map(mean).collect();
        drop(all);
        let means = self.all_reduce.gather(self.index, own);
        let mut means: Vec<_> = means.iter().map(|means| means.iter().cloned()).collect();
        let mut whole: Vec<Vec<Tensor<1>>> = vec![Vec::new(); lengths.len()];
        for Piece { tensor, owner, .. } in &pieces {
            whole[*tensor].extend(means[*owner].next());
        }
        let together = |parts: Vec<Tensor<1>>| {
            let mut parts = self.all_reduce.fetch(parts.into_iter(), &device);
            if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 0) }
        };
        whole.into_iter().map(together).collect()
    }
}

/// Some numbers of one tensor, and who adds them up.
struct Piece {
    tensor: usize,
    numbers: Range<usize>,
    owner: usize,
}

impl Piece {
    /// These numbers of one rank's tensors.
    fn of(&self, tensors: &[Tensor<1>]) -> Tensor<1> {
        let tensor = tensors[self.tensor].clone();
        if self.numbers == (0..tensor.dims()[0]) { tensor } else { tensor.slice([self.numbers.clone()]) }
    }
}

/// Tensors of these lengths in pieces of at most an equal part of all numbers, in order, each for the rank
/// that has least to do so far.
fn pieces(lengths: &[usize], ranks: usize) -> Vec<Piece> {
    let most = lengths.iter().sum::<usize>().div_ceil(ranks).max(1);
    let (mut pieces, mut loads) = (Vec::new(), vec![0; ranks]);
    for (tensor, &length) in lengths.iter().enumerate() {
        let cuts = length.div_ceil(most).max(1);
        for cut in 0..cuts {
            let numbers = cut * length / cuts..(cut + 1) * length / cuts;
            let owner = (0..ranks).min_by_key(|&rank| loads[rank]).unwrap_or_default();
            loads[owner] += numbers.len();
            pieces.push(Piece { tensor, numbers, owner });
        }
    }
    pieces
}

impl Drop for Rank {
    /// A rank that panics would keep all others waiting.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.all_reduce.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn on_all_ranks<T: Send>(count: usize, each: impl Fn(Rank) -> T + Sync) -> Vec<std::thread::Result<T>> {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                Rank::all(count).into_iter().map(|rank| scope.spawn(|| each(rank))).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        })
    }

    #[test]
    fn mean_is_the_same_on_all_ranks() {
        let value = |rank: usize, i: usize| ((i * 37 + rank * 11) % 101 + 1) as f32 / 7.0;
        for count in [1, 2, 3, 5] {
            for lengths in [&[1][..], &[7, 3], &[4096], &[10_001, 2, 30], &[900, 900, 900, 900, 900]] {
                let numbers = |tensors: Vec<Tensor<1>>| -> Vec<Vec<f32>> {
                    tensors.into_iter().map(|mean| mean.into_data().try_to_vec().expect("f32")).collect()
                };
                let means = on_all_ranks(count, |rank| {
                    let mine = |factor: f32| {
                        let tensor = |&length: &usize| {
                            let values: Vec<f32> =
                                (0..length).map(|i| value(rank.index(), i) * factor).collect();
                            Tensor::from_data(TensorData::new(values, [length]), &Device::flex())
                        };
                        lengths.iter().map(tensor).collect()
                    };
                    let once = numbers(rank.mean(mine(1.0)));
                    assert_ne!(once, numbers(rank.mean(mine(2.0))), "exchanges can be repeated");
                    once
                });
                let means: Vec<Vec<Vec<f32>>> =
                    means.into_iter().map(|mean| mean.expect("no panic")).collect();
                assert!(means.iter().all(|mean| mean == &means[0]));
                for (mean, &length) in means[0].iter().zip(lengths) {
                    assert_eq!(mean.len(), length);
                    for (i, mean) in mean.iter().enumerate() {
                        let sum: f32 = (0..count).map(|rank| value(rank, i)).sum();
                        assert!((mean - sum / count as f32).abs() < 1e-5, "{count} ranks, {lengths:?}: {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn pieces_cover_everything_once_and_are_shared_out_evenly() {
        for (ranks, lengths) in
            [(1, &[5][..]), (2, &[5, 1, 1]), (3, &[1, 1]), (8, &[300, 40, 5, 700]), (4, &[0, 9])]
        {
            let pieces = pieces(lengths, ranks);
            for (tensor, &length) in lengths.iter().enumerate() {
                let own = pieces.iter().filter(|piece| piece.tensor == tensor);
                let numbers: Vec<usize> = own.flat_map(|piece| piece.numbers.clone()).collect();
                assert_eq!(numbers, (0..length).collect::<Vec<_>>());
            }
            let part = lengths.iter().sum::<usize>().div_ceil(ranks);
            for rank in 0..ranks {
                let load: usize =
                    pieces.iter().filter(|piece| piece.owner == rank).map(|piece| piece.numbers.len()).sum();
                assert!(load < 2 * part + 1, "{ranks}, {lengths:?}: {load}");
            }
        }
    }

    #[test]
    fn panicked_rank_aborts_the_others() {
        let ends = on_all_ranks(3, |rank| {
            if rank.index() == 1 {
                std::panic::resume_unwind(Box::new("lost power"));
            }
            rank.mean(vec![Tensor::ones([3], &Device::flex())]);
        });
        let reasons: Vec<_> = ends.into_iter().map(|end| end.expect_err("panicked")).collect();
        assert!(reasons[0].is::<Aborted>() && reasons[2].is::<Aborted>());
        assert_eq!(reasons[1].downcast_ref::<&str>(), Some(&"lost power"));
    }
}
