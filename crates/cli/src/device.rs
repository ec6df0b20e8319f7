//! Arguments that say where a command computes: devices, precision and threads.

use std::{num::NonZero, thread};

use clap::Args;
use context_encoder::{Device, model::Precision, train::Devices};
use miette::{IntoDiagnostic, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::console::Console;

/// One device.
#[derive(Args)]
pub struct DeviceArgs {
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// The devices and the precision of a training run.
#[derive(Args)]
pub struct DevicesArgs {
    #[command(flatten)]
    single: DeviceArgs,
    /// Several devices that share every batch, such as `cuda:0,cuda:1`; one may be named more than once
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<String>,
    /// Compute precision of the layers: f32, bf16 or f16; weights are stored as f32 in any case
    #[arg(long)]
    pub precision: Option<Precision>,
}

/// The threads that read and write files.
#[derive(Args, Default)]
pub struct ThreadsArgs {
    /// Threads that read and write pictures; one for each processor core by default
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

impl DeviceArgs {
    pub fn open(&self, console: &Console) -> Result<Device> {
        open(&self.device, console)
    }

    /// For commands that only look at weights: the processor, or the first device that was compiled in.
    pub fn processor() -> Result<Device> {
        const NAMES: [&str; 6] = ["cpu", "cuda", "wgpu", "vulkan", "metal", "rocm"];
        let device = NAMES.iter().find_map(|name| context_encoder::device(name).ok());
        device.map_or_else(|| context_encoder::device("cpu").into_diagnostic(), Ok)
    }
}

impl DevicesArgs {
    pub fn open(&self, console: &Console) -> Result<Devices> {
        if self.devices.is_empty() {
            return Ok(Devices::from(&self.single.open(console)?));
        }
        let devices = self.devices.iter().map(|name| open(name.trim(), console));
        Devices::try_from(devices.collect::<Result<Vec<_>>>()?).into_diagnostic()
    }
}

fn open(name: &str, console: &Console) -> Result<Device> {
    let device = || context_encoder::device(name);
    #[cfg(feature = "cards")]
    let device = || crate::kernel_store::open(console, device);
    #[cfg(not(feature = "cards"))]
    let _ = console;
    device().into_diagnostic()
}

impl ThreadsArgs {
    /// A pool for `count` files: of as many threads as were asked for, and never more than files.
    pub fn pool(&self, count: usize) -> Result<ThreadPool> {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads.map_or_else(cores, NonZero::get).clamp(1, count.max(1));
        ThreadPoolBuilder::new().num_threads(threads).build().into_diagnostic()
    }
}
