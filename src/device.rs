//! From a device's name to the device.

use burn::tensor::Device;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu", feature = "vulkan", feature = "metal"))]
use burn::tensor::DeviceType;

/// A device that cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A name that no device has.
    #[error(
        "there is no device `{name}`; choose cpu, flex, ndarray, cubecl-cpu, cuda, cuda:1, rocm, wgpu, vulkan, metal or remote:HOST:PORT"
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
    /// Another machine's device that cannot be reached.
    #[error(
        "no device at `{name}`: {reason}; start `context-encoder serve` of the same version there, with the same word in {TOKEN}"
    )]
    Unreachable {
        /// The name as it was given.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// A card that is not in this machine, or whose driver is not, or a number that another machine's devices do not have.
    #[error("there is no device `{name}`: {found}")]
    Missing {
        /// The name as it was given.
        name: String,
        /// What there is instead.
        found: String,
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
/// | `remote:HOST:PORT`, `remote:HOST:PORT/1` | a device that another machine serves, by number | `remote` |
///
/// Another machine's device is asked for with the token in the environment variable [`TOKEN`], if there is one.
///
/// # Errors
/// [`DeviceError`] says what is wrong with the name, which feature to add, or that the card is not there.
///
/// ```
/// let device = context_encoder::device("cpu")?;
/// let error = context_encoder::device("gpu").unwrap_err().to_string();
/// assert!(error.starts_with("there is no device `gpu`; choose cpu"));
/// # Ok::<(), context_encoder::DeviceError>(())
/// ```
pub fn device(name: &str) -> Result<Device, DeviceError> {
    if let Some(address) = name.strip_prefix("remote:") {
        return remote(name, address);
    }
    let unknown = || DeviceError::Unknown { name: name.to_owned() };
    let (backend, index) = match name.split_once(':') {
        Some((backend, index)) => (backend, Some(index.parse::<usize>().map_err(|_| unknown())?)),
        None => (name, None),
    };
    let found = match (backend, index) {
        ("cpu", None) => cpu(),
        ("flex", None) => flex(),
        ("ndarray", None) => ndarray(),
        ("cubecl-cpu", None) => cubecl_cpu(),
        ("cuda", index) => cuda(index),
        ("rocm", index) => rocm(index),
        ("wgpu", index) => wgpu(index),
        ("vulkan", index) => vulkan(index),
        ("metal", index) => metal(index),
        _ => return Err(unknown()),
    };
    found.map_err(|absent| match absent {
        Absent::Feature(feature) => DeviceError::NotCompiledIn { name: name.to_owned(), feature },
        #[cfg(any(
            feature = "cuda",
            feature = "rocm",
            feature = "wgpu",
            feature = "vulkan",
            feature = "metal"
        ))]
        Absent::Card(found) => DeviceError::Missing { name: name.to_owned(), found },
    })
}

/// The environment variable with the word that a server and its clients share.
pub const TOKEN: &str = "CONTEXT_ENCODER_TOKEN";

/// The device of an address, `HOST:PORT` or `HOST:PORT/NUMBER`.
#[cfg(feature = "remote")]
fn remote(name: &str, address: &str) -> Result<Device, DeviceError> {
    use burn::tensor::remote::{ConnectError, Credential, RemoteHost};

    let (host, number) = address.split_once('/').unwrap_or((address, "0"));
    let port = host.rsplit_once(':').filter(|(machine, _)| !machine.is_empty());
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
    let (Some(_), Ok(number)) = (port, number.parse::<u16>()) else {
        return Err(DeviceError::Unknown { name: name.to_owned() });
    };
    let mut server = RemoteHost::websocket(&format!("ws://{host}"));
    if let Some(token) = std::env::var_os(TOKEN) {
        server = server.with_credential(Credential::from(token.as_encoded_bytes()));
    }
    Device::remote_options(&server).device_index(usize::from(number)).init().map_err(|error| {
        let name = name.to_owned();
        match error {
            ConnectError::NoSuchDevice { device_count } => {
                let found = format!("{host} serves {device_count}, numbered from 0");
                DeviceError::Missing { name, found }
            }
            error => DeviceError::Unreachable { name, reason: error.to_string() },
        }
    })
}

#[cfg(not(feature = "remote"))]
fn remote(name: &str, _: &str) -> Result<Device, DeviceError> {
    Err(DeviceError::NotCompiledIn { name: name.to_owned(), feature: "remote" })
}

/// Why there is no device.
enum Absent {
    /// This feature is off.
    Feature(&'static str),
    /// The feature is on, and this is what the machine has.
    #[cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu", feature = "vulkan", feature = "metal"))]
    Card(String),
}

fn cpu() -> Result<Device, Absent> {
    flex().or_else(|_| ndarray()).or_else(|_| cubecl_cpu()).map_err(|_| Absent::Feature("flex"))
}

/// One function for a backend: its device when its feature is on.
macro_rules! backend {
    ($name:ident, $feature:literal, $device:expr) => {
        fn $name() -> Result<Device, Absent> {
            #[cfg(feature = $feature)]
            return Ok($device);
            #[cfg(not(feature = $feature))]
            Err(Absent::Feature($feature))
        }
    };
    ($name:ident($index:ident), $feature:literal, $device:expr) => {
        fn $name($index: Option<usize>) -> Result<Device, Absent> {
            #[cfg(feature = $feature)]
            return $device;
            #[cfg(not(feature = $feature))]
            {
                let _ = $index;
                Err(Absent::Feature($feature))
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
backend!(cuda(index), "cuda", numbered(DeviceType::Cuda, Device::cuda(index.unwrap_or(0))));
backend!(rocm(index), "rocm", numbered(DeviceType::Rocm, Device::rocm(index.unwrap_or(0))));
backend!(wgpu(index), "wgpu", graphics(DeviceType::Wgpu, index, Device::wgpu));
backend!(vulkan(index), "vulkan", graphics(DeviceType::Vulkan, index, Device::vulkan));
backend!(metal(index), "metal", graphics(DeviceType::Metal, index, Device::metal));

/// A card by its number, if it is there: asked here, since Burn panics at the first tensor on one that is not.
#[cfg(any(feature = "cuda", feature = "rocm"))]
fn numbered(kind: DeviceType, device: Device) -> Result<Device, Absent> {
    let cards = Device::enumerate(kind);
    if cards.contains(&device) {
        return Ok(device);
    }
    Err(Absent::Card(match cards.len() {
        0 => "no card was found, or its driver is not installed".to_owned(),
        found => format!("its cards are numbered from 0 to {}", found - 1),
    }))
}

/// The numbered discrete card, or the one that the driver prefers, if it is there.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn graphics(
    kind: DeviceType,
    index: Option<usize>,
    open: fn(DeviceKind) -> Device,
) -> Result<Device, Absent> {
    let found = Device::enumerate(kind);
    if found.is_empty() {
        return Err(Absent::Card("no graphics driver was found".to_owned()));
    }
    let Some(index) = index else { return Ok(open(DeviceKind::DefaultDevice)) };
    let card = |index| open(DeviceKind::DiscreteGpu(index));
    let cards = (0..).take_while(|&index| found.contains(&card(index))).count();
    match cards {
        0 => Err("no discrete card was found; the name without a number takes what there is".to_owned()),
        _ if index < cards => Ok(card(index)),
        _ => Err(format!("its discrete cards are numbered from 0 to {}", cards - 1)),
    }
    .map_err(Absent::Card)
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
    #[cfg(feature = "remote")]
    fn addresses_that_are_none_are_refused() {
        for name in
            ["remote:", "remote:one", "remote::3000", "remote:one:x", "remote:one:3000/x", "remote:one:70000"]
        {
            assert_eq!(device(name), Err(DeviceError::Unknown { name: name.to_owned() }), "{name}");
        }
    }

    #[test]
    #[cfg(not(feature = "remote"))]
    fn another_machines_device_names_its_feature() {
        let error = device("remote:one:3000/1").expect_err("not compiled in").to_string();
        assert_eq!(error, "device `remote:one:3000/1` was not compiled in; build with `--features remote`");
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_backend_that_was_left_out_names_its_feature() {
        let error = device("cuda:1").expect_err("not compiled in").to_string();
        assert_eq!(error, "device `cuda:1` was not compiled in; build with `--features cuda`");
    }

    #[test]
    #[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
    fn a_card_that_is_not_there_is_an_error_and_no_panic() {
        for name in ["cuda:63", "wgpu:63", "vulkan:63"] {
            let error = device(name).expect_err("so many cards are in no machine");
            assert!(!matches!(error, DeviceError::Unknown { .. }), "{error}");
        }
    }
}
