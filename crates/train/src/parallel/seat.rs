//! One replica's place among the others.

use std::{ops::Range, sync::Arc};

use burn::tensor::Tensor;

use super::meeting::Meeting;

/// Numbers below which every replica adds all of them up itself, which saves a second meeting.
const FEW: usize = 4096;

/// A replica's place among the others: which share of a batch is its own, and how it agrees with them.
///
/// All replicas ask for the same means in the same order, each in its own thread.
#[derive(Clone)]
pub struct Seat {
    rank: usize,
    seats: usize,
    meeting: Arc<Meeting>,
}

impl Seat {
    /// Places for so many replicas, in order of rank.
    pub(crate) fn row(seats: usize) -> Vec<Self> {
        let meeting = Arc::new(Meeting::of(seats));
        (0..seats).map(|rank| Self { rank, seats, meeting: meeting.clone() }).collect()
    }

    /// Its number, from 0.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    pub(crate) fn seats(&self) -> usize {
        self.seats
    }

    /// The means of what all replicas bring, on this one's device: the same to the last bit for all of them, since each
    /// number is added up in order of rank.
    ///
    /// Each replica adds up some of the pieces and fetches the others' sums, so that each number travels to one device
    /// and from there to all (reduce-scatter and all-gather).
    ///
    /// # Shapes
    /// - input and output: each `[numbers]`, without gradients, as many for every replica
    ///
    /// # Panics
    /// When another replica has panicked.
    pub(crate) fn mean(&self, mine: Vec<Tensor<1>>) -> Vec<Tensor<1>> {
        let Some(device) = mine.first().map(Tensor::device) else { return mine };
        let lengths: Vec<usize> = mine.iter().map(|tensor| tensor.dims()[0]).collect();
        let all = self.meeting.bring(self.rank, mine);
        let mean = |piece: &Piece| {
            let parts = all.iter().map(|brought| piece.of(brought));
            let mut parts = self.meeting.fetch(parts, &device).into_iter();
            let first = parts.next().unwrap_or_else(|| unreachable!("its own is among them"));
            parts.fold(first, |sum, part| sum + part).div_scalar(self.seats as f64)
        };
        if lengths.iter().sum::<usize>() < FEW {
            return pieces(&lengths, 1).iter().map(mean).collect();
        }
        let pieces = pieces(&lengths, self.seats);
        let own = pieces.iter().filter(|piece| piece.owner == self.rank).map(mean).collect();
        drop(all);
        let means = self.meeting.bring(self.rank, own);
        let mut means: Vec<_> = means.iter().map(|means| means.iter().cloned()).collect();
        let mut whole: Vec<Vec<Tensor<1>>> = vec![Vec::new(); lengths.len()];
        for Piece { tensor, owner, .. } in &pieces {
            whole[*tensor].extend(means[*owner].next());
        }
        let together = |parts: Vec<Tensor<1>>| {
            let mut parts = self.meeting.fetch(parts.into_iter(), &device);
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
    /// These numbers of one replica's tensors.
    fn of(&self, tensors: &[Tensor<1>]) -> Tensor<1> {
        let tensor = tensors[self.tensor].clone();
        if self.numbers == (0..tensor.dims()[0]) { tensor } else { tensor.slice([self.numbers.clone()]) }
    }
}

/// Tensors of these lengths in pieces of at most a replica's share of all numbers, in order, each for the replica that
/// has least to do so far.
fn pieces(lengths: &[usize], seats: usize) -> Vec<Piece> {
    let share = lengths.iter().sum::<usize>().div_ceil(seats).max(1);
    let (mut pieces, mut loads) = (Vec::new(), vec![0; seats]);
    for (tensor, &length) in lengths.iter().enumerate() {
        let cuts = length.div_ceil(share).max(1);
        for cut in 0..cuts {
            let numbers = cut * length / cuts..(cut + 1) * length / cuts;
            let owner = (0..seats).min_by_key(|&seat| loads[seat]).unwrap_or_default();
            loads[owner] += numbers.len();
            pieces.push(Piece { tensor, numbers, owner });
        }
    }
    pieces
}

impl Drop for Seat {
    /// A replica that panics would keep all others waiting.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.meeting.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::parallel::meeting::Abandoned;

    fn together<T: Send>(seats: usize, each: impl Fn(Seat) -> T + Sync) -> Vec<std::thread::Result<T>> {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                Seat::row(seats).into_iter().map(|seat| scope.spawn(|| each(seat))).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        })
    }

    #[test]
    fn means_are_means_and_alike_for_everybody() {
        let value = |rank: usize, i: usize| ((i * 37 + rank * 11) % 101 + 1) as f32 / 7.0;
        for seats in [1, 2, 3, 5] {
            for lengths in [&[1][..], &[7, 3], &[4096], &[10_001, 2, 30], &[900, 900, 900, 900, 900]] {
                let numbers = |tensors: Vec<Tensor<1>>| -> Vec<Vec<f32>> {
                    tensors.into_iter().map(|mean| mean.into_data().try_to_vec().expect("f32")).collect()
                };
                let means = together(seats, |seat| {
                    let mine = |factor: f32| {
                        let tensor = |&length: &usize| {
                            let values: Vec<f32> =
                                (0..length).map(|i| value(seat.rank(), i) * factor).collect();
                            Tensor::from_data(TensorData::new(values, [length]), &Device::flex())
                        };
                        lengths.iter().map(tensor).collect()
                    };
                    let once = numbers(seat.mean(mine(1.0)));
                    assert_ne!(once, numbers(seat.mean(mine(2.0))), "meetings can be held again");
                    once
                });
                let means: Vec<Vec<Vec<f32>>> =
                    means.into_iter().map(|mean| mean.expect("no panic")).collect();
                assert!(means.iter().all(|mean| mean == &means[0]));
                for (mean, &length) in means[0].iter().zip(lengths) {
                    assert_eq!(mean.len(), length);
                    for (i, mean) in mean.iter().enumerate() {
                        let sum: f32 = (0..seats).map(|rank| value(rank, i)).sum();
                        assert!((mean - sum / seats as f32).abs() < 1e-5, "{seats} seats, {lengths:?}: {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn pieces_are_everything_once_and_nobody_has_much_more_than_a_share() {
        for (seats, lengths) in
            [(1, &[5][..]), (2, &[5, 1, 1]), (3, &[1, 1]), (8, &[300, 40, 5, 700]), (4, &[0, 9])]
        {
            let pieces = pieces(lengths, seats);
            for (tensor, &length) in lengths.iter().enumerate() {
                let own = pieces.iter().filter(|piece| piece.tensor == tensor);
                let numbers: Vec<usize> = own.flat_map(|piece| piece.numbers.clone()).collect();
                assert_eq!(numbers, (0..length).collect::<Vec<_>>());
            }
            let share = lengths.iter().sum::<usize>().div_ceil(seats);
            for seat in 0..seats {
                let load: usize =
                    pieces.iter().filter(|piece| piece.owner == seat).map(|piece| piece.numbers.len()).sum();
                assert!(load < 2 * share + 1, "{seats}, {lengths:?}: {load}");
            }
        }
    }

    #[test]
    fn who_waits_for_one_that_panicked_is_sent_home() {
        let ends = together(3, |seat| {
            if seat.rank() == 1 {
                std::panic::resume_unwind(Box::new("lost power"));
            }
            seat.mean(vec![Tensor::ones([3], &Device::flex())]);
        });
        let reasons: Vec<_> = ends.into_iter().map(|end| end.expect_err("panicked")).collect();
        assert!(reasons[0].is::<Abandoned>() && reasons[2].is::<Abandoned>());
        assert_eq!(reasons[1].downcast_ref::<&str>(), Some(&"lost power"));
    }
}
