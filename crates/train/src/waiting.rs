//! How much of its time a run waits for pictures.

use std::time::{Duration, Instant};

/// Time spent on steps, and the part of it that went by before a batch was there.
///
/// An interval begins with the wait for its first batch and ends when the numbers of its steps have been read from the
/// device; sheets, validation and checkpoints lie between intervals.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// When the interval under way began.
    begun: Option<Instant>,
    waited: Duration,
    /// Those of the intervals before.
    all: Duration,
    all_waited: Duration,
}

impl Waiting {
    /// Takes the time of something that a step has to wait for.
    pub(crate) fn wait<T>(&mut self, next: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        self.begun.get_or_insert(start);
        let item = next();
        self.waited += start.elapsed();
        item
    }

    /// Ends the interval and returns the percentage of it that was waiting, 0 to 100; 0 for an interval without steps.
    pub(crate) fn end_interval(&mut self) -> f32 {
        let elapsed = self.begun.take().map_or(Duration::ZERO, |begun| begun.elapsed());
        let waited = std::mem::take(&mut self.waited);
        self.all += elapsed;
        self.all_waited += waited;
        percent(waited, elapsed)
    }

    /// The percentage of all intervals so far.
    pub(crate) fn overall(&self) -> f32 {
        percent(self.all_waited, self.all)
    }
}

fn percent(part: Duration, whole: Duration) -> f32 {
    if whole.is_zero() { 0.0 } else { 100.0 * part.as_secs_f32() / whole.as_secs_f32() }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    fn pause(milliseconds: u64) {
        sleep(Duration::from_millis(milliseconds));
    }

    #[test]
    fn an_interval_is_waiting_and_work() {
        let mut waiting = Waiting::default();
        for _ in 0..2 {
            waiting.wait(|| pause(30));
            pause(30);
        }
        let half = waiting.end_interval();
        // A sleep may take longer, on a busy machine much longer, but never less.
        assert!(half > 5.0 && half < 95.0, "{half}");
        pause(200); // a validation
        waiting.wait(|| pause(20));
        let all = waiting.end_interval();
        assert!(all > 90.0 && all <= 100.0, "{all}");
        assert!(waiting.overall() > half && waiting.overall() < all);
    }

    #[test]
    fn no_steps_are_no_waiting() {
        let mut waiting = Waiting::default();
        assert_eq!((waiting.end_interval(), waiting.overall()), (0.0, 0.0));
        assert_eq!(percent(Duration::from_secs(1), Duration::from_secs(4)), 25.0);
    }
}
