//! From a device's name to the device.

use burn::tensor::Device;

/// A device that cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A name that no device has.
    #[error(
        "there is no device `{name}`; choose cpu, flex, ndarray, cubecl-cpu, cuda, cuda:1, rocm, wgpu, vulkan or metal"
    )]
    Unknown {
        /// The name as it was given.
        name: String,
    },
    /// A device whose backend was left out when the program was built.
    #[error("device `{name}` was not compiled in; build with `--features {feature}`")]
    NotCompiledIn {
        /// The name as it was given.
        name: String,
        /// The feature that adds it.
        feature: &'static str,
    },
}

/// The device of a name: where tensors live and where networks compute.
///
/// | name | device | feature |
/// |---|---|---|
/// | `cpu` | the processor: the first of `flex`, `ndarray`, `cubecl-cpu` that is compiled in | |
/// | `flex` | the processor, Burn's own kernels | `flex` (default) |
/// | `ndarray` | the processor, through ndarray (deprecated by Burn) | `ndarray` |
/// | `cubecl-cpu` | the processor, kernels compiled at run time | `cpu` |
/// | `cuda`, `cuda:1` | an NVIDIA card, by number | `cuda` |
/// | `rocm`, `rocm:1` | an AMD card, by number | `rocm` |
/// | `wgpu`, `wgpu:1` | a discrete graphics card, by number; `wgpu` alone takes the best | `wgpu` |
/// | `vulkan`, `vulkan:1` | the same through Vulkan | `vulkan` |
/// | `metal`, `metal:1` | the same through Metal | `metal` |
///
/// # Errors
/// [`DeviceError`] says what is wrong with the name, or which feature to add.
///
/// ```
/// let device = context_encoder::device("cpu")?;
/// let error = context_encoder::device("gpu").unwrap_err().to_string();
/// assert!(error.starts_with("there is no device `gpu`; choose cpu"));
/// # Ok::<(), context_encoder::DeviceError>(())
/// ```
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let unknown = || DeviceError::Unknown { name: name.to_owned() };
    let (backend, index) = match name.split_once(':') {
        Some((backend, index)) => (backend, Some(index.parse::<usize>().map_err(|_| unknown())?)),
        None => (name, None),
    };
    match (backend, index) {
        ("cpu", None) => cpu().ok_or(("flex", name)),
        ("flex", None) => flex().ok_or(("flex", name)),
        ("ndarray", None) => ndarray().ok_or(("ndarray", name)),
        ("cubecl-cpu", None) => cubecl_cpu().ok_or(("cpu", name)),
        ("cuda", index) => cuda(index).ok_or(("cuda", name)),
        ("rocm", index) => rocm(index).ok_or(("rocm", name)),
        ("wgpu", index) => wgpu(index).ok_or(("wgpu", name)),
        ("vulkan", index) => vulkan(index).ok_or(("vulkan", name)),
        ("metal", index) => metal(index).ok_or(("metal", name)),
        _ => return Err(unknown()),
    }
    .map_err(|(feature, name)| DeviceError::NotCompiledIn { name: name.to_owned(), feature })
}

fn cpu() -> Option<Device> {
    flex().or_else(ndarray).or_else(cubecl_cpu)
}

/// One function for a backend: its device when its feature is on, nothing otherwise.
macro_rules! backend {
    ($name:ident, $feature:literal, $device:expr) => {
        fn $name() -> Option<Device> {
            #[cfg(feature = $feature)]
            return Some($device);
            #[cfg(not(feature = $feature))]
            None
        }
    };
    ($name:ident($index:ident), $feature:literal, $device:expr) => {
        fn $name($index: Option<usize>) -> Option<Device> {
            #[cfg(feature = $feature)]
            return Some($device);
            #[cfg(not(feature = $feature))]
            {
                let _ = $index;
                None
            }
        }
    };
}

backend!(flex, "flex", Device::flex());
backend!(ndarray, "ndarray", {
    #[expect(deprecated, reason = "asked for; Burn still ships it")]
    Device::ndarray()
});
backend!(cubecl_cpu, "cpu", Device::cpu());
backend!(cuda(index), "cuda", Device::cuda(index.unwrap_or(0)));
backend!(rocm(index), "rocm", Device::rocm(index.unwrap_or(0)));
backend!(wgpu(index), "wgpu", Device::wgpu(graphics_card(index)));
backend!(vulkan(index), "vulkan", Device::vulkan(graphics_card(index)));
backend!(metal(index), "metal", Device::metal(graphics_card(index)));

/// The numbered discrete card, or the one that the driver prefers.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn graphics_card(index: Option<usize>) -> burn::tensor::DeviceKind {
    index.map_or(burn::tensor::DeviceKind::DefaultDevice, burn::tensor::DeviceKind::DiscreteGpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "flex")]
    fn cpu_is_flex_where_flex_is_compiled_in() {
        assert_eq!(device("cpu"), Ok(Device::flex()));
        assert_eq!(device("flex"), Ok(Device::flex()));
    }

    #[test]
    fn names_that_are_none_are_refused_with_a_choice() {
        for name in ["", "gpu", "cuda:", "cuda:x", "cpu:1", "flex:0", "CUDA"] {
            assert_eq!(device(name), Err(DeviceError::Unknown { name: name.to_owned() }), "{name}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_backend_that_was_left_out_names_its_feature() {
        let error = device("cuda:1").expect_err("not compiled in").to_string();
        assert_eq!(error, "device `cuda:1` was not compiled in; build with `--features cuda`");
    }
}
