//! Where a graphics card's kernels are kept: compiled and chosen by the first program that needs them, which
//! takes about a minute, and read by the next.

use std::{
    env,
    fs::{self, File},
    io::Read,
    path::Path,
};

use context_encoder::{Device, device_name};
use cubecl::{
    config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig, memory::CudaAllocator},
    environment,
};

use crate::console::Console;

/// Files that configure CubeCL, in the working folder or above; who has one decides for himself.
const CONFIGURATIONS: [&str; 4] = ["cubecl.toml", "CubeCL.toml", "burn.toml", "Burn.toml"];

/// How the file of a store begins: it is an SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Opens a device with its kernels kept in the user's cache folder, and says so where there are none yet: a
/// store for each kind of card and each version of this program.
pub fn open<E>(console: &Console, open_device: impl FnOnce() -> Result<Device, E>) -> Result<Device, E> {
    let ours = !is_configured() && CubeClRuntimeConfig::try_set(configuration());
    let device = open_device()?;
    if device.identity().is_some() && (ours || environment::active().starts_with(PREFIX)) {
        let card = device_name(&device);
        environment::activate(format!("{PREFIX}{card}"));
        if !is_store(&environment::path()) {
            console.note(format_args!("compiling and choosing kernels for {card}: once, about a minute"));
        }
    }
    Ok(device)
}

const PREFIX: &str = concat!("context-encoder-", env!("CARGO_PKG_VERSION"), "-");

fn configuration() -> CubeClRuntimeConfig {
    let mut config = CubeClRuntimeConfig::default();
    config.environment.name = PREFIX.to_owned();
    config.environment.path = CacheConfig::Global;
    config.compilation.cache = true;
    // CubeCL's own choice may wait for the card whenever memory grows or shrinks.
    config.memory.cuda.allocator = CudaAllocator::Async;
    config.override_from_env()
}

fn is_configured() -> bool {
    let here = env::current_dir().unwrap_or_default();
    here.ancestors().any(|folder| CONFIGURATIONS.iter().any(|file| folder.join(file).exists()))
}

/// Whether the file is a store. A file that is none is removed, so that it is written anew; CubeCL itself
/// would go on without one, and every start would take a minute.
fn is_store(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    // Another program may have made the file just now.
    if read.is_err() || head.is_empty() || head == MAGIC {
        return !head.is_empty();
    }
    // An error leaves things as they were: slow, and right.
    let _ = fs::remove_file(path);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_store_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        assert!(!is_store(&path));
        fs::write(&path, b"SQLite format 3\0 and so on").expect("written");
        assert!(is_store(&path) && path.exists());
        fs::write(&path, b"\0\0\0").expect("written");
        assert!(!is_store(&path) && !path.exists());
    }
}
