//! Threads that share out a list of work.

use std::{
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use clap::Args;
use miette::{Result, miette};

/// How many threads read and write files.
#[derive(Args, Default)]
pub struct Crew {
    /// Threads that read and write pictures; one for each processor core by default
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

impl Crew {
    /// So many threads.
    #[cfg(test)]
    pub fn of(threads: usize) -> Self {
        Self { threads: NonZero::new(threads) }
    }

    /// How many threads take up `count` things.
    pub fn size(&self, count: usize) -> usize {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        self.threads.map_or_else(cores, NonZero::get).clamp(1, count.max(1))
    }

    /// Does `work` for each number below `count`, each once, on several threads; returns when all is done.
    pub fn share_out(&self, count: usize, work: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..self.size(count) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count {
                            return;
                        }
                        work(index);
                    }
                });
            }
        });
    }
}

/// What came out of one piece of work, whatever it did: a decoder that panics costs one picture and not the rest.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(miette!(
            "the program failed on this file, which is a fault in it; please report it with the file"
        ))
    })
}

/// What a thread that panicked left is as good as before it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
