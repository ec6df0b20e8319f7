//! What a device is called by who made it.

use burn::tensor::Device;

/// The name of the part behind a device, for tables: a graphics card's as its driver tells it, a processor's with its
/// threads; of another machine's no more than that it is one.
///
/// ```
/// let name = context_encoder::device_name(&context_encoder::device("cpu")?);
/// assert!(name.contains("thread"), "{name}");
/// # Ok::<(), context_encoder::DeviceError>(())
/// ```
pub fn device_name(device: &Device) -> String {
    if is_elsewhere(device) {
        return "another machine's device".to_owned();
    }
    card(device).unwrap_or_else(processor)
}

#[cfg(feature = "remote")]
fn is_elsewhere(device: &Device) -> bool {
    matches!(device.clone().without_autodiff().as_dispatch(), burn::backend::DispatchDevice::Remote(_))
}

#[cfg(not(feature = "remote"))]
fn is_elsewhere(_: &Device) -> bool {
    false
}

#[cfg(any(
    feature = "cuda",
    feature = "rocm",
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "cpu"
))]
fn card(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(
    feature = "cuda",
    feature = "rocm",
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "cpu"
)))]
fn card(_: &Device) -> Option<String> {
    None
}

/// The processor as Linux names it, and how many threads it runs at once.
fn processor() -> String {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = facts.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or("processor", |(_, name)| name.trim());
    format!("{name}, {threads} {}", if threads == 1 { "thread" } else { "threads" })
}
