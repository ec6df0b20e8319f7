//! Items made ahead of their consumer by threads, delivered in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::DataError;

/// Makes item `number`. It should look at the flag now and then and return `None` once it is set, and only
/// then.
type Make<T> = dyn Fn(u64, &AtomicBool) -> Result<Option<T>, DataError> + Send + Sync;

/// An iterator over `make(number)` for a range of numbers, in order, computed ahead by threads.
///
/// Without threads each item is made when it is asked for. An error, or a panic inside `make`, comes out in
/// its place and ends the iteration. Dropping the iterator stops the threads and joins them.
pub(crate) struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
}

struct Shared<T> {
    make: Box<Make<T>>,
    end: u64,
    /// How many items may be in work or waiting at a time.
    window: u64,
    stop: AtomicBool,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The next number that no thread has taken.
    free: u64,
    /// The number that the consumer waits for.
    wanted: u64,
    ready: BTreeMap<u64, Result<T, DataError>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts `workers` threads; at most `ahead` finished items wait, beside one in work for each thread.
    ///
    /// Where the system grants fewer threads than asked for, it goes on with those, or with none.
    pub(crate) fn new(
        numbers: Range<u64>,
        workers: usize,
        ahead: usize,
        make: impl Fn(u64, &AtomicBool) -> Result<Option<T>, DataError> + Send + Sync + 'static,
    ) -> Self {
        let Range { start, end } = numbers;
        let shared = Arc::new(Shared {
            make: Box::new(make),
            end,
            window: workers.saturating_add(ahead) as u64,
            stop: AtomicBool::new(false),
            state: Mutex::new(State { free: start, wanted: start, ready: BTreeMap::new() }),
            changed: Condvar::new(),
        });
        let start_thread = |_| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("loader".to_owned()).spawn(move || shared.work()).ok()
        };
        let threads = (0..workers).map_while(start_thread).collect();
        Self { shared, threads, next: start }
    }
}

impl<T> Prefetch<T> {
    fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Under the lock, so that no thread is between looking at the flag and going to sleep.
        let _state = self.shared.lock();
        self.shared.changed.notify_all();
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.shared.end || self.shared.stopped() {
            return None;
        }
        let item = if self.threads.is_empty() {
            self.shared.make(self.next)?
        } else {
            self.shared.wait_for(self.next)
        };
        self.next += 1;
        if item.is_err() {
            self.stop();
        }
        Some(item)
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A thread cannot panic: whatever `make` does is caught.
            let _ = thread.join();
        }
    }
}

impl<T> Shared<T> {
    /// The loop of a thread: take the next number, make its item, store it, until stopped.
    fn work(&self) {
        while let Some(number) = self.take() {
            let Some(item) = self.make(number) else { return };
            self.lock().ready.insert(number, item);
            self.changed.notify_all();
        }
    }

    /// The next number to work on, once the window reaches it; `None` at the end or when stopped.
    fn take(&self) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if self.stopped() || state.free >= self.end {
                return None;
            }
            if state.free - state.wanted < self.window {
                state.free += 1;
                return Some(state.free - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for(&self, number: u64) -> Result<T, DataError> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.ready.remove(&number) {
                state.wanted = number + 1;
                self.changed.notify_all();
                return item;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes one item; `None` when stopped meanwhile.
    fn make(&self, number: u64) -> Option<Result<T, DataError>> {
        // Nothing that `make` may have left half done is used again after a panic.
        match catch_unwind(AssertUnwindSafe(|| (self.make)(number, &self.stop))) {
            Ok(item) => item.transpose(),
            Err(panic) => Some(Err(DataError::Panicked { message: message(panic.as_ref()) })),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn threads_run_ahead_no_further_than_allowed() {
        let started = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&started);
        let mut items = Prefetch::new(0..1000, 2, 3, move |number, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Some(number))
        });
        assert!(matches!(items.next(), Some(Ok(0))));
        // One was taken, 2 + 3 more are allowed; the threads reach them, and stop there.
        let deadline = Instant::now() + Duration::from_secs(10);
        while started.load(Ordering::SeqCst) < 6 {
            assert!(Instant::now() < deadline, "the threads do not work ahead");
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(30));
        assert_eq!(started.load(Ordering::SeqCst), 6);
    }

    #[test]
    fn dropping_stops_endless_work() {
        let until_stopped = |number, stop: &AtomicBool| {
            while number > 0 && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            Ok((number == 0).then_some(number))
        };
        let mut items = Prefetch::new(0..u64::MAX, 4, 4, until_stopped);
        assert!(matches!(items.next(), Some(Ok(0))));
        let start = Instant::now();
        drop(items);
        assert!(start.elapsed() < Duration::from_secs(5), "stopping took {:?}", start.elapsed());
    }
}
