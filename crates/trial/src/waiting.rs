//! How much of its time a device waits for pictures in a real run.

use std::time::{Duration, Instant};

use context_encoder_train::{Devices, Progress, Run, StepRecord, TrainConfig, progress::Pace};

use crate::TrialError;

/// What a run on real batches gave, its first interval left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fed {
    /// Pictures a second, from file or drawing to moved weights.
    pub pictures_per_second: f64,
    /// Percentage of that time that went by before a batch was there, 0 to 100.
    pub waiting: f64,
    /// Steps that were timed.
    pub steps: u64,
}

/// More steps than anybody waits for.
const FOREVER: u64 = 1_000_000_000;

/// Trains by a configuration in a folder that is removed afterwards, for at least so many seconds after the first
/// interval (`log_every` steps), in which kernels are compiled and chosen; on one device or on several. Nothing but
/// steps is timed.
///
/// # Errors
/// Whatever data and configuration can refuse.
pub fn fed(config: TrainConfig, seconds: f64, devices: impl Into<Devices>) -> Result<Fed, TrialError> {
    let folder = tempfile::tempdir()?;
    let config = TrainConfig {
        steps: FOREVER,
        sheet_every: 0,
        validate_every: 0,
        checkpoint_every: 0,
        validation_pictures: 2,
        ..config
    };
    let mut watch = Watch { seconds: Duration::from_secs_f64(seconds), last: None, timed: Timed::default() };
    Run::start(config, folder.path().join("run"), devices)?.train(&mut watch)?;
    let Timed { pictures, waited, elapsed, steps } = watch.timed;
    let elapsed = elapsed.as_secs_f64().max(f64::EPSILON);
    Ok(Fed { pictures_per_second: pictures as f64 / elapsed, waiting: 100.0 * waited / elapsed, steps })
}

/// Times the intervals of a run.
struct Watch {
    seconds: Duration,
    /// When the last interval ended, and how many pictures had been seen by then.
    last: Option<(Instant, u64)>,
    timed: Timed,
}

#[derive(Default)]
struct Timed {
    pictures: u64,
    /// Seconds.
    waited: f64,
    elapsed: Duration,
    steps: u64,
}

impl Progress for Watch {
    fn steps(&mut self, records: &[StepRecord], _pace: &Pace) {
        let (Some(newest), now) = (records.last(), Instant::now()) else { return };
        if let Some((before, samples)) = self.last.replace((now, newest.samples)) {
            let elapsed = now - before;
            self.timed.elapsed += elapsed;
            self.timed.waited += elapsed.as_secs_f64() * f64::from(newest.waiting) / 100.0;
            self.timed.pictures += newest.samples - samples;
            self.timed.steps += records.len() as u64;
        }
    }

    fn should_stop(&self) -> bool {
        self.timed.steps > 0 && self.timed.elapsed >= self.seconds
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_short_run_is_timed_without_its_first_interval() {
        let mut config = TrainConfig { batch_size: 2, workers: 1, log_every: 1, ..TrainConfig::default() };
        config.model = config.model.with_size(64).with_width(2);
        let fed = fed(config, 0.0, &Device::flex()).expect("a run");
        assert_eq!(fed.steps, 1);
        assert!(fed.pictures_per_second > 0.0 && (0.0..=100.0).contains(&fed.waiting), "{fed:?}");
    }
}
