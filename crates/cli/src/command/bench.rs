//! `bench`: measures how fast a device is.

use std::{
    collections::BTreeSet,
    io::{BufRead, stdin},
    path::PathBuf,
};

use clap::{Args, ValueEnum, builder::RangedU64ValueParser};
use context_encoder::{
    Device,
    bench::{Bench as DeviceBench, BenchSettings, BenchTask, Measurement},
    device_name,
    model::{FeatureModelConfig, Precision, Preset},
    ops::Storage,
    train::{Devices, TrainConfig},
};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::{Value, json};

use crate::{
    console::{Console, ExitStatus, Table, write_record},
    device::DevicesArgs,
};

const MIB: f64 = 1_048_576.0;

/// Measure how many pictures a second a device trains on and fills, how long it waits for data in a run, and
/// the memory that takes.
#[derive(Args)]
pub struct Bench {
    /// Whose network: `paper`, `authors`, `recommended` or `photo`; may be repeated
    #[arg(long = "preset", value_name = "PRESET", default_value = "recommended")]
    presets: Vec<Preset>,
    /// What is measured; may be repeated. Without it, all but the feature network
    #[arg(long = "task", value_enum, value_name = "TASK")]
    tasks: Vec<Task>,
    /// Pictures at a time; may be repeated. Without it 16 and 64, and 1 when filling
    #[arg(long = "batch", value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    batches: Vec<usize>,
    /// Side of the square pictures: 64, 128 or 256
    #[arg(long, default_value_t = 128)]
    size: usize,
    #[command(flatten)]
    devices: DevicesArgs,
    /// How long each of them is measured, after a warm-up
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Fill with the dense bottleneck's weights in 16 bits
    #[arg(long)]
    bf16: bool,
    /// Pictures for the run; without it, facades are drawn by the program
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Threads that prepare the run's pictures
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Print a table in Markdown
    #[arg(long)]
    markdown: bool,
    /// Serve benches/peers/compare.py: one JSON line when warm, then one for each line with a number of
    /// seconds
    #[arg(long, hide = true, requires_all = ["tasks", "batches"])]
    worker: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Task {
    /// Training steps on a batch that is on the device: discriminator, then generator, both with Adam
    Train,
    /// Forward passes in evaluation mode
    Infer,
    /// A training run on pictures that are read, cropped and masked meanwhile
    Run,
    /// Pretraining steps of the AlexNet-style network on a batch of 227 pixels that is on the device
    FeatureTrain,
    /// Forward passes of the AlexNet-style network
    FeatureInfer,
}

impl Task {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The same on a batch that stays on the device, unless it is a run.
    fn on_device(self) -> Option<BenchTask> {
        match self {
            Self::Train => Some(BenchTask::Train),
            Self::Infer => Some(BenchTask::Infer),
            Self::FeatureTrain => Some(BenchTask::FeatureTrain),
            Self::FeatureInfer => Some(BenchTask::FeatureInfer),
            Self::Run => None,
        }
    }

    /// Side of the pictures: that of the AlexNet-style network is its own, whatever is `asked` for.
    fn size(self, asked: usize) -> usize {
        match self {
            Self::FeatureTrain | Self::FeatureInfer => FeatureModelConfig::alexnet().size,
            Self::Train | Self::Infer | Self::Run => asked,
        }
    }

    /// Batch sizes where none are asked for.
    fn batches(self) -> &'static [usize] {
        match self {
            Self::Train | Self::FeatureTrain => &[16, 64],
            Self::Infer | Self::FeatureInfer => &[1, 16, 64],
            Self::Run => &[64],
        }
    }
}

/// One line of the table.
struct Row {
    preset: Preset,
    task: Task,
    batch: usize,
    /// Where something is learned.
    precision: Option<Precision>,
    measured: Measurement,
}

impl Bench {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let devices = self.devices.open(console)?;
        devices.validate_precision(self.precision()).into_diagnostic()?;
        if self.worker {
            return self.serve(devices.first());
        }
        let name = names(&devices);
        let tasks = match self.tasks.as_slice() {
            [] => &[Task::Train, Task::Infer, Task::Run],
            asked => asked,
        };
        let sizes: BTreeSet<usize> = tasks.iter().map(|task| task.size(self.size)).collect();
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        console.note(format_args!("{name}, pictures of {} pixels", sizes.join(" and ")));
        if devices.count() > 1 && tasks.iter().any(|task| *task != Task::Run) {
            return Err(miette!("several devices are measured in a run only; ask for --task run"));
        }
        let head =
            ["preset", "task", "batch", "precision", "pictures/s", "data wait", "peak MiB", "card MiB"];
        let mut table = Table::new(&head);
        for &preset in &self.presets {
            for &task in tasks {
                let batches = if self.batches.is_empty() { task.batches() } else { &self.batches };
                for &batch in batches {
                    let row = self.measure(preset, task, batch, &devices, console)?;
                    console.record(&row.record(&name, task.size(self.size)));
                    console.detail(format_args!("{}", row.cells().join("  ")));
                    table.push(row.cells());
                }
            }
        }
        let text = if self.markdown { table.markdown() } else { table.plain() };
        console.result(text.trim_end());
        console.record(&json!({ "event": "done", "device": name }));
        Ok(ExitStatus::Complete)
    }

    fn measure(
        &self,
        preset: Preset,
        task: Task,
        batch: usize,
        devices: &Devices,
        console: &Console,
    ) -> Result<Row> {
        let device = devices.first();
        let measured = match task.on_device() {
            Some(task) => {
                let settings = self.settings(preset, task, batch);
                let mut bench = DeviceBench::warm(settings, device).into_diagnostic()?;
                if let Some(reason) = bench.recording_failed() {
                    console.note(format_args!(
                        "steps are computed one by one, as recording one failed: {reason}"
                    ));
                }
                bench.measure(self.seconds)
            }
            None => {
                let config = self.configuration(preset, batch)?;
                Measurement::of_run(config, self.seconds, devices.clone()).into_diagnostic()?
            }
        };
        let learns = matches!(task, Task::Train | Task::Run | Task::FeatureTrain);
        Ok(Row { preset, task, batch, precision: learns.then(|| self.precision()), measured })
    }

    fn settings(&self, preset: Preset, task: BenchTask, batch: usize) -> BenchSettings {
        let storage = if self.bf16 { Storage::Bf16 } else { Storage::F32 };
        BenchSettings { preset, task, batch, size: self.size, precision: self.precision(), storage }
    }

    fn precision(&self) -> Precision {
        self.devices.precision.unwrap_or_default()
    }

    /// That of the run, which reads its numbers from the device once in ten steps as any run does.
    fn configuration(&self, preset: Preset, batch: usize) -> Result<TrainConfig> {
        let mut config = TrainConfig::preset(preset);
        (config.run.batch_size, config.run.workers) = (batch, self.workers);
        config.run.precision = self.precision();
        config.model.size = self.size;
        if let Some(path) = &self.data {
            config.run.data = config.run.data.in_folder(path, None, false).into_diagnostic()?;
        }
        Ok(config)
    }

    /// Answers each line of the standard input, a number of seconds, with a measurement.
    fn serve(&self, device: &Device) -> Result<ExitStatus> {
        let (preset, task, batch) = (self.presets[0], self.tasks[0], self.batches[0]);
        let task = task.on_device().ok_or_else(|| miette!("a run cannot be measured in turns"))?;
        let mut bench = DeviceBench::warm(self.settings(preset, task, batch), device).into_diagnostic()?;
        let versions = json!({ "context-encoder": env!("CARGO_PKG_VERSION") });
        write_record(&json!({
            "ready": true, "versions": versions, "device": device_name(device), "base_bytes": bench.base_bytes(),
            "recording_failed": bench.recording_failed(),
        }));
        for line in stdin().lock().lines() {
            let measured = bench.measure(line.into_diagnostic()?.trim().parse().into_diagnostic()?);
            write_record(&json!({
                "images": measured.pictures, "seconds": measured.seconds, "loss": measured.loss,
                "peak_bytes": measured.peak_bytes, "card_bytes": measured.device_bytes,
            }));
        }
        Ok(ExitStatus::Complete)
    }
}

/// What the devices are called.
fn names(devices: &Devices) -> String {
    let names: Vec<String> = devices.iter().map(device_name).collect();
    names.join(" + ")
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mib = |bytes: Option<u64>| or_dash(bytes.map(|bytes| format!("{:.0}", bytes as f64 / MIB)));
        let Self { preset, task, batch, precision, measured } = self;
        [
            preset.to_string(),
            task.name(),
            batch.to_string(),
            or_dash(precision.map(|precision| precision.name().to_owned())),
            format!("{:.1}", measured.pictures_per_second()),
            or_dash(measured.data_wait.map(|percent| format!("{percent:.1} %"))),
            mib(measured.peak_bytes),
            mib(measured.device_bytes),
        ]
    }

    fn record(&self, device: &str, size: usize) -> Value {
        json!({
            "event": "measured", "device": device, "preset": self.preset.name(), "task": self.task.name(),
            "batch": self.batch, "size": size,
            "precision": self.precision.map(Precision::name), "pictures_per_second": self.measured.pictures_per_second(),
            "waiting_percent": self.measured.data_wait,
            "peak_bytes": self.measured.peak_bytes, "card_bytes": self.measured.device_bytes,
        })
    }
}
