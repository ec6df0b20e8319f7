//! How fast a run goes and how long it will take.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// Speed and outlook of a run, validation and writing included.
#[derive(Clone, Debug)]
pub struct Pace {
    begun: Instant,
    first_step: u64,
    /// Steps done.
    pub step: u64,
    /// Steps when the run is complete.
    pub steps: u64,
    /// Percentage of the steps' time that went by before a batch was there, since the run began or was resumed.
    pub waiting: f32,
    batch_size: usize,
}

impl Pace {
    pub(crate) fn new(first_step: u64, steps: u64, batch_size: usize) -> Self {
        Self { begun: Instant::now(), first_step, step: first_step, steps, waiting: 0.0, batch_size }
    }

    /// Time since the run began or was resumed.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Pictures a second since the run began or was resumed.
    pub fn images_per_second(&self) -> f64 {
        let images = (self.step - self.first_step) as f64 * self.batch_size as f64;
        images / self.elapsed().as_secs_f64().max(f64::EPSILON)
    }

    /// Time left at the pace so far; none before the first step is done.
    pub fn left(&self) -> Option<Duration> {
        let done = self.step.checked_sub(self.first_step).filter(|done| *done > 0)?;
        let left = self.steps.saturating_sub(self.step);
        Some(self.elapsed().mul_f64(left as f64 / done as f64))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} images/s, {:.1} % waiting", self.images_per_second(), self.waiting)?;
        match self.left() {
            Some(left) => write!(f, ", {} left", clock(left)),
            None => Ok(()),
        }
    }
}

/// A duration as a clock shows it: `3:07`, `1:02:45`.
pub(crate) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_show_hours_only_when_there_are_some() {
        assert_eq!(clock(Duration::from_secs(187)), "3:07");
        assert_eq!(clock(Duration::from_secs(3765)), "1:02:45");
    }

    #[test]
    fn the_outlook_is_the_pace_so_far() {
        let mut pace = Pace { begun: Instant::now() - Duration::from_secs(10), ..Pace::new(100, 300, 8) };
        assert!(pace.left().is_none());
        pace.step = 150;
        let left = pace.left().expect("under way").as_secs_f64();
        assert!((left - 30.0).abs() < 1.0, "{left}");
        assert!((pace.images_per_second() - 40.0).abs() < 1.0);
    }
}
