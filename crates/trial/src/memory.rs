//! How much memory work takes.

use std::fs;

use burn::tensor::Device;

/// The most memory that this process ever held, bytes; nothing where there is no `/proc`.
pub fn peak_memory() -> Option<u64> {
    of_process("VmHWM")
}

/// What it holds now.
pub fn held_memory() -> Option<u64> {
    of_process("VmRSS")
}

/// What a device's allocator has taken from a graphics card, bytes; nothing where the processor computes.
pub fn device_memory(device: &Device) -> Option<u64> {
    device.memory_pool_usage().map(|usage| usage.bytes_reserved)
}

fn of_process(key: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_less_than_its_peak() {
        let (held, peak) = (held_memory().expect("Linux"), peak_memory().expect("Linux"));
        assert!(held > 1 << 20 && held <= peak, "{held} and {peak}");
    }
}
