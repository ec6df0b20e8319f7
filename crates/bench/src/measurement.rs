//! What a measurement found: time, data wait, memory.

use std::{
    env::temp_dir,
    fs, io,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use context_encoder_train::{
    Devices, Progress, Run, RunSettings, StepRecord, Throughput, TrainConfig, TrainError,
};

/// How many pictures went through in which time, and what that took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Pictures that were trained on or filled.
    pub pictures: u64,
    /// How long they took, the device's last work included.
    pub seconds: f64,
    /// The generator's loss in the last step; none in inference and runs.
    pub loss: Option<f32>,
    /// Percentage of the time that was spent waiting for batches, 0 to 100; none but in a run.
    pub data_wait: Option<f64>,
    /// Peak resident memory of this process so far, bytes; none where there is no `/proc`.
    pub peak_bytes: Option<u64>,
    /// What the device's allocator holds of a graphics card's memory, bytes; none on a processor.
    pub device_bytes: Option<u64>,
}

/// More steps than anybody waits for.
const FOREVER: u64 = 1_000_000_000;

impl Measurement {
    /// Timed work, with memory as it is now.
    pub(crate) fn new(pictures: u64, elapsed: Duration, device: &Device) -> Self {
        Self {
            pictures,
            seconds: elapsed.as_secs_f64(),
            loss: None,
            data_wait: None,
            peak_bytes: process_bytes("VmHWM"),
            device_bytes: device.memory_pool_usage().map(|usage| usage.bytes_reserved),
        }
    }

    /// Measures a training run, from picture files or drawing to the optimizer's step, for at least so many
    /// seconds after its first interval of `log_every` steps, in which kernels are compiled and chosen; on
    /// one device or on several. The run's folder is temporary; nothing but steps is timed.
    ///
    /// # Errors
    /// Whatever data and configuration can refuse.
    pub fn of_run(
        config: TrainConfig,
        seconds: f64,
        devices: impl Into<Devices>,
    ) -> Result<Self, TrainError> {
        let folder = tempfile::tempdir().map_err(|error| TrainError::Io {
            action: "create a temporary folder in",
            path: temp_dir(),
            source: io::Error::other(format!("{error}; set TMPDIR to a folder that can be written")),
        })?;
        let devices = devices.into();
        let run = RunSettings {
            steps: FOREVER,
            samples_every: 0,
            validate_every: 0,
            checkpoint_every: 0,
            validation_pictures: 2,
            ..config.run
        };
        let config = TrainConfig { run, ..config };
        let mut timer = RunTimer { seconds: Duration::from_secs_f64(seconds), ..RunTimer::default() };
        Run::start(config, folder.path().join("run"), devices.clone())?.train(&mut timer)?;
        let RunTimer { pictures, waited, elapsed, .. } = timer;
        let measured = Self::new(pictures, elapsed, devices.first());
        let data_wait = 100.0 * waited / measured.seconds.max(f64::EPSILON);
        Ok(Self { data_wait: Some(data_wait), ..measured })
    }

    /// Throughput.
    pub fn pictures_per_second(&self) -> f64 {
        self.pictures as f64 / self.seconds.max(f64::EPSILON)
    }
}

/// Adds up the intervals between a run's readings of the device, all but the first.
#[derive(Default)]
struct RunTimer {
    /// How long is enough.
    seconds: Duration,
    /// When the last interval ended, and how many pictures had been seen by then.
    last: Option<(Instant, u64)>,
    pictures: u64,
    /// Seconds.
    waited: f64,
    elapsed: Duration,
}

impl Progress for RunTimer {
    fn steps(&mut self, records: &[StepRecord], _throughput: &Throughput) {
        let (Some(newest), now) = (records.last(), Instant::now()) else { return };
        if let Some((before, samples)) = self.last.replace((now, newest.samples)) {
            let elapsed = now - before;
            self.elapsed += elapsed;
            self.waited += elapsed.as_secs_f64() * f64::from(newest.data_wait) / 100.0;
            self.pictures += newest.samples - samples;
        }
    }

    fn should_stop(&self) -> bool {
        self.pictures > 0 && self.elapsed >= self.seconds
    }
}

/// Resident memory of this process, bytes; none where there is no `/proc`.
pub(crate) fn held_bytes() -> Option<u64> {
    process_bytes("VmRSS")
}

fn process_bytes(key: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_is_timed_without_its_first_interval() {
        let mut config = TrainConfig::default();
        config.run = RunSettings { batch_size: 2, workers: 1, log_every: 1, ..config.run };
        config.model = config.model.with_size(64).with_width(2);
        let measured = Measurement::of_run(config, 0.0, &Device::flex()).expect("a run");
        assert_eq!(measured.pictures, 2); // one step
        let data_wait = measured.data_wait.expect("a run");
        assert!(measured.pictures_per_second() > 0.0 && (0.0..=100.0).contains(&data_wait), "{measured:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_holds_less_than_its_peak() {
        let held = held_bytes().expect("Linux");
        let peak = Measurement::new(0, Duration::ZERO, &Device::flex()).peak_bytes.expect("Linux");
        assert!(held > 1 << 20 && held <= peak, "{held} and {peak}");
    }
}
