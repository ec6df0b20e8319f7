//! Where replicas meet: each brings tensors, and each sees all of them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor};

/// A place for a fixed number of threads.
pub(crate) struct Meeting {
    state: Mutex<State>,
    news: Condvar,
    /// Who fetches tensors from other devices.
    fetching: Mutex<()>,
}

struct State {
    /// What was brought to this round, by rank.
    brought: Vec<Option<Vec<Tensor<1>>>>,
    /// What was brought to the last round, until everybody has seen it.
    shown: Arc<[Vec<Tensor<1>>]>,
    /// How many have yet to see it.
    to_see: usize,
    /// Rounds that are complete.
    rounds: u64,
    /// Somebody will never come again.
    abandoned: bool,
}

/// The panic of a replica whose fellow has panicked: the first one is the one to tell of.
pub(crate) struct Abandoned;

impl Meeting {
    pub(crate) fn of(seats: usize) -> Self {
        let state =
            State { brought: vec![None; seats], shown: Arc::new([]), to_see: 0, rounds: 0, abandoned: false };
        Self { state: Mutex::new(state), news: Condvar::new(), fetching: Mutex::new(()) }
    }

    /// Brings tensors, waits for everybody else's, and sees all of them in order of rank.
    ///
    /// # Panics
    /// With [`Abandoned`] when another thread has panicked.
    pub(crate) fn bring(&self, rank: usize, tensors: Vec<Tensor<1>>) -> Arc<[Vec<Tensor<1>>]> {
        let mut state = self.lock();
        let round = state.rounds;
        state.brought[rank] = Some(tensors);
        if state.brought.iter().all(Option::is_some) {
            // Nobody can be late for the last round's: who has not seen it has not brought anything to this one.
            state.shown = state.brought.iter_mut().filter_map(Option::take).collect();
            state.to_see = state.shown.len();
            state.rounds += 1;
            self.news.notify_all();
        }
        while state.rounds == round {
            if state.abandoned {
                drop(state);
                std::panic::resume_unwind(Box::new(Abandoned));
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.to_see -= 1;
        if state.to_see == 0 {
            std::mem::replace(&mut state.shown, Arc::new([]))
        } else {
            state.shown.clone()
        }
    }

    /// Tensors of any devices on one.
    ///
    /// One thread at a time: between CUDA's devices that is a send on one and a receive on the other, in queues of their
    /// own, and two that cross would wait for each other.
    pub(crate) fn fetch(&self, tensors: impl Iterator<Item = Tensor<1>>, device: &Device) -> Vec<Tensor<1>> {
        let _alone = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        tensors.map(|tensor| tensor.to_device(device)).collect()
    }

    /// Sends everybody home who waits, now and later.
    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
