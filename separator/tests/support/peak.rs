//! How much memory a process has held.
#![allow(unreachable_pub, reason = "used inside of the library and by its tests")]

/// The most memory that this process has held, in megabytes; `None` where the system does not say.
pub fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0 / 1e6)
}
