//! What the tests of models and separations share.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

pub mod checkpoint;
pub mod damage;
pub mod draw;
pub mod small;
pub mod targets;

/// The most memory that this process has held, in megabytes; `None` where the system does not say.
pub fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0 / 1e6)
}
