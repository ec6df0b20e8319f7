//! Devices by name, the names of their hardware, and devices that are served to other machines.

use burn::tensor::Device;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu", feature = "vulkan", feature = "metal"))]
use burn::tensor::DeviceType;

/// Why a device cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No device has this name.
    #[error(
        "there is no device `{name}`; choose cpu, flex, ndarray, cubecl-cpu, cuda, cuda:1, rocm, wgpu, vulkan, metal or remote:HOST:PORT"
    )]
    Unknown {
        /// The given name.
        name: String,
    },
    /// The program was built without the device's backend.
    #[error("device `{name}` was not compiled in; build with `--features {feature}`")]
    NotCompiledIn {
        /// The given name.
        name: String,
        /// The feature that adds it.
        feature: &'static str,
    },
    /// Another machine's device cannot be reached.
    #[error(
        "no device at `{name}`: {reason}; start `context-encoder serve` of the same version there, with the same token in {TOKEN}"
    )]
    Unreachable {
        /// The given name.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// This machine has no such graphics card or driver, or another machine serves no device of this number.
    #[error("there is no device `{name}`: {found}")]
    Missing {
        /// The given name.
        name: String,
        /// What was found instead.
        found: String,
    },
}

/// The device with a name: where tensors are stored and networks compute.
///
/// | name | device | feature |
/// |---|---|---|
/// | `cpu` | the processor, by the first of `flex`, `ndarray`, `cubecl-cpu` that is compiled in | |
/// | `flex` | the processor, Burn's own kernels | `flex` (default) |
/// | `ndarray` | the processor, through ndarray (deprecated by Burn) | `ndarray` |
/// | `cubecl-cpu` | the processor, with kernels compiled at run time | `cpu` |
/// | `cuda`, `cuda:1` | an NVIDIA card, by number | `cuda` |
/// | `rocm`, `rocm:1` | an AMD card, by number | `rocm` |
/// | `wgpu`, `wgpu:1` | a discrete graphics card, by number; `wgpu` alone takes the best | `wgpu` |
/// | `vulkan`, `vulkan:1` | the same through Vulkan | `vulkan` |
/// | `metal`, `metal:1` | the same through Metal | `metal` |
/// | `remote:HOST:PORT`, `remote:HOST:PORT/1` | a device that another machine serves, by number | `remote` |
///
/// A client sends the token in the environment variable [`TOKEN`], if it is set.
///
/// # Errors
/// [`DeviceError`] for an unknown name, a feature that is off, or a missing card.
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
    match (backend, index) {
        ("cpu", None) => flex(name)
            .or_else(|_| ndarray(name))
            .or_else(|_| cubecl_cpu(name))
            .or(Err(DeviceError::NotCompiledIn { name: name.to_owned(), feature: "flex" })),
        ("flex", None) => flex(name),
        ("ndarray", None) => ndarray(name),
        ("cubecl-cpu", None) => cubecl_cpu(name),
        ("cuda", index) => cuda(name, index),
        ("rocm", index) => rocm(name, index),
        ("wgpu", index) => wgpu(name, index),
        ("vulkan", index) => vulkan(name, index),
        ("metal", index) => metal(name, index),
        _ => Err(unknown()),
    }
}

/// The graphics card of the browser that this runs in, through WebGPU: what [`device`] cannot give, since
/// nothing there may wait for it. Once for all; clone it. Weights are read to the processor and moved there
/// ([`Inpainter::new`](crate::Inpainter::new)), and read back by
/// [`fill_async`](crate::Inpainter::fill_async).
///
/// # Errors
/// [`DeviceError::Missing`] where the browser has no WebGPU, or no card for it.
#[cfg(feature = "webgpu")]
pub async fn webgpu() -> Result<Device, DeviceError> {
    let missing = |error: burn::tensor::wgpu::WgpuInitError| DeviceError::Missing {
        name: "webgpu".to_owned(),
        found: error.to_string(),
    };
    Device::wgpu_options().init_async().await.map_err(missing)
}

/// The environment variable with the token that a server and its clients share.
pub const TOKEN: &str = "CONTEXT_ENCODER_TOKEN";

/// The device at an address, `HOST:PORT` or `HOST:PORT/NUMBER`.
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

/// A function for a backend: its device if its feature is on.
macro_rules! backend {
    ($backend:ident($name:ident $(, $index:ident)?), $feature:literal, $device:expr) => {
        fn $backend($name: &str $(, $index: Option<usize>)?) -> Result<Device, DeviceError> {
            let _ = ($name $(, $index)?);
            #[cfg(feature = $feature)]
            return $device;
            #[cfg(not(feature = $feature))]
            Err(DeviceError::NotCompiledIn { name: $name.to_owned(), feature: $feature })
        }
    };
}

backend!(flex(name), "flex", Ok(Device::flex()));
backend!(ndarray(name), "ndarray", {
    #[expect(deprecated, reason = "asked for; Burn still ships it")]
    Ok(Device::ndarray())
});
backend!(cubecl_cpu(name), "cpu", Ok(Device::cpu()));
backend!(cuda(name, index), "cuda", numbered(name, DeviceType::Cuda, Device::cuda(index.unwrap_or(0))));
backend!(rocm(name, index), "rocm", numbered(name, DeviceType::Rocm, Device::rocm(index.unwrap_or(0))));
backend!(wgpu(name, index), "wgpu", graphics(name, DeviceType::Wgpu, index, Device::wgpu));
backend!(vulkan(name, index), "vulkan", graphics(name, DeviceType::Vulkan, index, Device::vulkan));
backend!(metal(name, index), "metal", graphics(name, DeviceType::Metal, index, Device::metal));

/// A card that exists: Burn panics at the first tensor on one that does not.
#[cfg(any(feature = "cuda", feature = "rocm"))]
fn numbered(name: &str, kind: DeviceType, device: Device) -> Result<Device, DeviceError> {
    let cards = Device::enumerate(kind);
    if cards.contains(&device) {
        return Ok(device);
    }
    let found = match cards.len() {
        0 => "no card was found, or its driver is not installed".to_owned(),
        found => format!("its cards are numbered from 0 to {}", found - 1),
    };
    Err(DeviceError::Missing { name: name.to_owned(), found })
}

/// The numbered discrete card, or without a number the driver's default.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn graphics(
    name: &str,
    kind: DeviceType,
    index: Option<usize>,
    open: fn(DeviceKind) -> Device,
) -> Result<Device, DeviceError> {
    let missing = |found: String| Err(DeviceError::Missing { name: name.to_owned(), found });
    let found = Device::enumerate(kind);
    if found.is_empty() {
        return missing("no graphics driver was found".to_owned());
    }
    let Some(index) = index else { return Ok(open(DeviceKind::DefaultDevice)) };
    let card = |index| open(DeviceKind::DiscreteGpu(index));
    let cards = (0..).take_while(|&index| found.contains(&card(index))).count();
    match cards {
        0 => missing(
            "no discrete card was found; the name without a number takes the driver's default".to_owned(),
        ),
        _ if index < cards => Ok(card(index)),
        _ => missing(format!("its discrete cards are numbered from 0 to {}", cards - 1)),
    }
}

/// The hardware's name: of a graphics card as its driver reports it, of the processor with its number of
/// threads; another machine's is not known.
///
/// ```
/// let name = context_encoder::device_name(&context_encoder::device("cpu")?);
/// assert!(name.contains("thread"), "{name}");
/// # Ok::<(), context_encoder::DeviceError>(())
/// ```
pub fn device_name(device: &Device) -> String {
    let _ = device;
    #[cfg(feature = "remote")]
    if matches!(device.clone().without_autodiff().as_dispatch(), burn::backend::DispatchDevice::Remote(_)) {
        return "another machine's device".to_owned();
    }
    // What a backend that compiles its kernels at run time reports.
    #[cfg(any(
        feature = "cuda",
        feature = "rocm",
        feature = "wgpu",
        feature = "vulkan",
        feature = "metal",
        feature = "cpu"
    ))]
    if let Some(identity) = device.identity() {
        return identity.name;
    }
    processor_name()
}

/// The processor's name as Linux reports it, and its number of threads.
fn processor_name() -> String {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = facts.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or("processor", |(_, name)| name.trim());
    format!("{name}, {threads} {}", if threads == 1 { "thread" } else { "threads" })
}

#[cfg(feature = "remote")]
pub use burn::tensor::server::ServeError;

/// Serves devices to other machines, which name them `remote:HOST:PORT` and `remote:HOST:PORT/1`, until the
/// process is stopped (Ctrl+C, `SIGTERM`).
///
/// The devices must belong to one backend: several cards, or one processor. Clients without `token` are
/// refused; an empty token admits everybody, including programs of other users of this machine. Nothing is
/// encrypted, so listen on trusted networks only: a client may use the devices' time and memory.
///
/// # Errors
/// [`ServeError`] when the devices are not of one backend or the network fails.
#[cfg(feature = "remote")]
pub fn serve(devices: Vec<Device>, listener: std::net::TcpListener, token: &[u8]) -> Result<(), ServeError> {
    use burn::tensor::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};

    let server = RemoteServer::new(devices);
    let server = match TokenAuthorizer::new(token) {
        Ok(authorizer) => server.with_authorizer(authorizer),
        Err(_empty) => server,
    };
    server.serve(WebSocketTransport::from_listener(listener))
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
    fn unknown_names_are_refused() {
        for name in ["", "gpu", "cuda:", "cuda:x", "cpu:1", "flex:0", "CUDA"] {
            assert_eq!(device(name), Err(DeviceError::Unknown { name: name.to_owned() }), "{name}");
        }
    }

    #[test]
    #[cfg(feature = "remote")]
    fn malformed_addresses_are_refused() {
        for name in
            ["remote:", "remote:one", "remote::3000", "remote:one:x", "remote:one:3000/x", "remote:one:70000"]
        {
            assert_eq!(device(name), Err(DeviceError::Unknown { name: name.to_owned() }), "{name}");
        }
    }

    #[test]
    #[cfg(not(feature = "remote"))]
    fn remote_device_without_its_feature_names_the_feature() {
        let error = device("remote:one:3000/1").expect_err("not compiled in").to_string();
        assert_eq!(error, "device `remote:one:3000/1` was not compiled in; build with `--features remote`");
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn card_without_its_feature_names_the_feature() {
        let error = device("cuda:1").expect_err("not compiled in").to_string();
        assert_eq!(error, "device `cuda:1` was not compiled in; build with `--features cuda`");
    }

    #[test]
    #[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
    fn missing_card_is_an_error_not_a_panic() {
        for name in ["cuda:63", "wgpu:63", "vulkan:63"] {
            let error = device(name).expect_err("no machine has so many cards");
            assert!(!matches!(error, DeviceError::Unknown { .. }), "{error}");
        }
    }
}
