//! `warm`: compiles and chooses a device's kernels ahead of the first run.

use std::time::Instant;

use clap::{Args, builder::RangedU64ValueParser};
use context_encoder::{
    bench::{Bench, BenchSettings, BenchTask},
    device_name,
    model::Preset,
};
use miette::{IntoDiagnostic, Result};
use serde_json::json;

use crate::{
    console::{Console, ExitStatus},
    device::DevicesArgs,
};

/// Compile and choose kernels for a graphics card: a few steps of training and filling with each network.
/// Later runs of the same networks on this card start in seconds. Without it, the first run does the same
#[derive(Args)]
pub struct Warm {
    /// Whose network: `paper`, `authors`, `recommended` or `photo`; may be repeated
    #[arg(long = "preset", value_name = "PRESET", default_values = ["recommended", "photo"])]
    presets: Vec<Preset>,
    /// Pictures at a time when training; may be repeated
    #[arg(long = "batch", value_name = "N", default_value = "64", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    batches: Vec<usize>,
    /// Side of the square pictures: 64, 128 or 256
    #[arg(long, default_value_t = 128)]
    size: usize,
    #[command(flatten)]
    devices: DevicesArgs,
}

impl Warm {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let devices = self.devices.open(console)?;
        devices.validate_precision(self.devices.precision.unwrap_or_default()).into_diagnostic()?;
        let device = devices.first();
        let start = Instant::now();
        let training = self.batches.iter().map(|&batch| (BenchTask::Train, batch));
        let tasks: Vec<(BenchTask, usize)> = training.chain([(BenchTask::Infer, 1)]).collect();
        let console = console.with_bar(self.presets.len() * tasks.len(), "networks");
        for &preset in &self.presets {
            for &(task, batch) in &tasks {
                let precision = self.devices.precision.unwrap_or_default();
                let settings = BenchSettings {
                    preset,
                    task,
                    batch,
                    size: self.size,
                    precision,
                    ..BenchSettings::default()
                };
                let since = Instant::now();
                Bench::warm(settings, device).into_diagnostic()?;
                let seconds = since.elapsed().as_secs_f64();
                let what = if task.learns() { "training" } else { "filling" };
                console.advance();
                console.result(format_args!("{preset:<12} {what:<9} batch {batch:<4} {seconds:6.1} s"));
                console.record(&json!({
                    "event": "warmed", "preset": preset.name(), "task": what, "batch": batch, "seconds": seconds,
                }));
            }
        }
        console.clear_bar();
        let seconds = start.elapsed().as_secs_f64();
        console.note(format_args!("{} is ready, after {seconds:.1} s", device_name(device)));
        console.record(&json!({ "event": "done", "device": device_name(device), "seconds": seconds }));
        Ok(ExitStatus::Complete)
    }
}
