//! Where networks compute.

use clap::Args;
use context_encoder::{
    Device,
    train::{Devices, Precision},
};
use miette::{IntoDiagnostic, Result};

/// The choice of a device.
#[derive(Args)]
pub struct DeviceChoice {
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Where and how a run computes.
#[derive(Args)]
pub struct DevicesChoice {
    #[command(flatten)]
    one: DeviceChoice,
    /// Several devices that share every batch, such as `cuda:0,cuda:1`; one may be named more than once
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<String>,
    /// In how many bits layers multiply: f32, bf16 or f16; weights have 32 whatever it is
    #[arg(long)]
    pub precision: Option<Precision>,
}

impl DevicesChoice {
    pub fn open(&self) -> Result<Devices> {
        if self.devices.is_empty() {
            return Ok(Devices::from(&self.one.open()?));
        }
        let devices = self.devices.iter().map(|name| context_encoder::device(name.trim()));
        Devices::try_from(devices.collect::<Result<Vec<_>, _>>().into_diagnostic()?).into_diagnostic()
    }

    /// Settings, and what is asked for here.
    pub fn settings(&self, settings: &[String]) -> Vec<String> {
        let asked = self.precision.map(|precision| format!("precision={precision}"));
        settings.iter().cloned().chain(asked).collect()
    }
}

impl DeviceChoice {
    pub fn open(&self) -> Result<Device> {
        context_encoder::device(&self.device).into_diagnostic()
    }

    /// For commands that only look at weights: the processor, or the first device that was compiled in.
    pub fn processor() -> Result<Device> {
        const NAMES: [&str; 6] = ["cpu", "cuda", "wgpu", "vulkan", "metal", "rocm"];
        let device = NAMES.iter().find_map(|name| context_encoder::device(name).ok());
        device.map_or_else(|| context_encoder::device("cpu").into_diagnostic(), Ok)
    }
}
