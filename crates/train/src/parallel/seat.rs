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

    /// Its part of so many things, as equal as they can be.
    pub(crate) fn part(&self, all: usize) -> Range<usize> {
        self.rank * all / self.seats..(self.rank + 1) * all / self.seats
    }

    /// The mean of what all replicas bring, on this one's device: the same to the last bit for all of them, since
    /// each number is added up in order of rank.
    ///
    /// Each replica adds up its part of the numbers and fetches the other parts, so that each number travels to one
    /// device and back (reduce-scatter and all-gather).
    ///
    /// # Shapes
    /// - input and output: `[numbers]`, without gradients, as many for every replica
    ///
    /// # Panics
    /// When another replica has panicked.
    pub(crate) fn mean(&self, mine: Tensor<1>) -> Tensor<1> {
        let (device, [numbers]) = (mine.device(), mine.dims());
        let all = self.meeting.bring(self.rank, mine);
        let mean = |numbers: Range<usize>| {
            let parts = all.iter().map(|brought| brought.clone().slice(numbers.clone()));
            let mut parts = self.meeting.fetch(parts, &device).into_iter();
            let first = parts.next().unwrap_or_else(|| unreachable!("its own is among them"));
            parts.fold(first, |sum, part| sum + part).div_scalar(self.seats as f64)
        };
        if numbers < FEW.max(self.seats) {
            return mean(0..numbers);
        }
        let parts = self.meeting.bring(self.rank, mean(self.part(numbers)));
        Tensor::cat(self.meeting.fetch(parts.iter().cloned(), &device), 0)
    }
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
        for seats in [1, 2, 3, 5] {
            for numbers in [1, 7, 4096, 10_001] {
                let value = |rank: usize, i: usize| ((i * 37 + rank * 11) % 101) as f32 / 7.0;
                let means = together(seats, |seat| {
                    let values: Vec<f32> = (0..numbers).map(|i| value(seat.rank(), i)).collect();
                    let mine = Tensor::from_data(TensorData::new(values, [numbers]), &Device::flex());
                    let once = seat.mean(mine.clone());
                    let twice = seat.mean(mine * 2.0) / 2.0; // meetings can be held again
                    assert_eq!(once.clone().into_data(), twice.into_data());
                    once.into_data().try_to_vec::<f32>().expect("f32")
                });
                let means: Vec<Vec<f32>> = means.into_iter().map(|mean| mean.expect("no panic")).collect();
                assert!(means.iter().all(|mean| mean == &means[0]));
                for (i, mean) in means[0].iter().enumerate() {
                    let sum: f32 = (0..seats).map(|rank| value(rank, i)).sum();
                    assert!((mean - sum / seats as f32).abs() < 1e-5, "{seats} seats, {numbers}: {i}");
                }
            }
        }
    }

    #[test]
    fn parts_are_everything_once() {
        for (seats, all) in [(1, 5), (2, 5), (3, 3), (4, 64), (5, 3)] {
            let parts: Vec<usize> = Seat::row(seats).iter().flat_map(|seat| seat.part(all)).collect();
            assert_eq!(parts, (0..all).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_waits_for_one_that_panicked_is_sent_home() {
        let ends = together(3, |seat| {
            if seat.rank() == 1 {
                std::panic::resume_unwind(Box::new("lost power"));
            }
            seat.mean(Tensor::ones([3], &Device::flex()));
        });
        let reasons: Vec<_> = ends.into_iter().map(|end| end.expect_err("panicked")).collect();
        assert!(reasons[0].is::<Abandoned>() && reasons[2].is::<Abandoned>());
        assert_eq!(reasons[1].downcast_ref::<&str>(), Some(&"lost power"));
    }
}
