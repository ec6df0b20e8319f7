//! Where networks compute.

use clap::Args;
use context_encoder::Device;
use miette::{IntoDiagnostic, Result};

/// The choice of a device.
#[derive(Args)]
pub struct DeviceChoice {
    /// cpu, flex, ndarray, cuda, cuda:1, wgpu, vulkan, ...
    #[arg(long, default_value = "cpu")]
    device: String,
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
