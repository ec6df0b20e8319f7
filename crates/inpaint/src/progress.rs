//! How much of a fill is done.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Takes the fraction of a fill that is done.
pub(crate) type Report = Arc<dyn Fn(f32) + Send + Sync>;

/// Work is counted in patches searched for: the network takes about as long for a crop as for so many (6000
/// on one thread of an AMD EPYC with AVX-512, more with narrower vectors).
pub(crate) const CROP: u64 = 10_000;

/// Adds up what is done of all that is to be done, on any thread.
pub(crate) struct Progress<'a> {
    report: Option<&'a Report>,
    total: u64,
    done: AtomicU64,
    /// Held while somebody is told, so that reports do not overtake each other.
    telling: Mutex<()>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(report: Option<&'a Report>, total: u64) -> Self {
        Self { report, total: total.max(1), done: AtomicU64::new(0), telling: Mutex::new(()) }
    }

    /// For those who do not want to know.
    pub(crate) fn silent() -> Self {
        Self::new(None, 0)
    }

    /// So much more is done. Nobody waits to tell it: while another thread does, this one goes on.
    pub(crate) fn add(&self, work: u64) {
        self.done.fetch_add(work, Ordering::Relaxed);
        if let Some(report) = self.report
            && let Ok(_telling) = self.telling.try_lock()
        {
            report((self.done.load(Ordering::Relaxed) as f64 / self.total as f64).min(1.0) as f32);
        }
    }

    /// Everything is done.
    pub(crate) fn end(&self) {
        if let Some(report) = self.report {
            let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
            report(1.0);
        }
    }

    /// A part that takes `work`, told as fractions of it that rise to 1.
    pub(crate) fn part(&self, work: impl FnOnce() -> u64) -> impl FnMut(f32) {
        let (work, mut told) = (self.report.map_or(0, |_| work()), 0);
        move |fraction| {
            let now = (f64::from(fraction) * work as f64) as u64;
            self.add(now.saturating_sub(told));
            told = told.max(now);
        }
    }
}
