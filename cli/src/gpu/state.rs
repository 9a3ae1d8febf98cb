//! The state of the GPU and the remedy when it cannot be used, in words that the plugin and the
//! doctor both show.

use sextet_protocol::worker::{EngineName, Gpu, GpuSetup, GpuState};

use super::facts::GpuFacts;
use super::verdict::verdict;

/// Message for machines without a GPU.
pub(super) const NO_GPU: &str = "No NVIDIA GPU was found: separations run on the CPU.";

/// Turns the findings into the description of the GPU that is shown.
pub(crate) fn inspect(found: &GpuFacts) -> Gpu {
    let Verdict {
        state,
        message,
        remedy,
        engine,
        library,
        device,
        setup,
    } = verdict(found);

    let mut devices: Vec<String> = found.devices.iter().map(|line| device_of(line)).collect();
    if devices.is_empty() {
        devices.extend(device);
    }

    Gpu {
        state,
        devices,
        driver: found.driver.clone(),
        engine,
        library,
        message,
        remedy,
        setup,
    }
}

/// The conclusion from all findings.
pub(super) struct Verdict {
    pub(super) state: GpuState,
    pub(super) message: String,
    pub(super) remedy: String,
    /// The engine that would compute on the GPU, once it is set up.
    pub(super) engine: Option<EngineName>,
    /// The library that would be used.
    pub(super) library: Option<String>,
    /// The GPU that would be used.
    pub(super) device: Option<String>,
    pub(super) setup: Option<GpuSetup>,
}

impl Verdict {
    pub(super) fn new(
        state: GpuState,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state,
            message: message.into(),
            remedy: remedy.into(),
            engine: None,
            library: None,
            device: None,
            setup: None,
        }
    }
}

/// Formats name and memory of a GPU: `NVIDIA H200, 140 GB`.
pub(super) fn device(name: &str, memory_bytes: f64) -> String {
    format!("{name}, {:.0} GB", memory_bytes / f64::from(1 << 30))
}

/// Formats a line of `nvidia-smi`, such as `NVIDIA H200, 143771 MiB, 580.159.04`, like [`device`].
fn device_of(line: &str) -> String {
    let mut fields = line.split(',').map(str::trim);
    let name = fields.next().unwrap_or_default();
    let mebibytes = fields
        .next()
        .and_then(|memory| memory.strip_suffix(" MiB")?.parse::<f64>().ok());
    mebibytes.map_or_else(
        || name.to_owned(),
        |mebibytes| device(name, mebibytes * f64::from(1 << 20)),
    )
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn devices_are_named_with_their_memory() {
        let cases = [
            ("NVIDIA H200, 143771 MiB, 580.159.04", "NVIDIA H200, 140 GB"),
            (
                "NVIDIA GeForce RTX 4090, 24564 MiB, 580.1",
                "NVIDIA GeForce RTX 4090, 24 GB",
            ),
            ("NVIDIA GeForce GTX 1650", "NVIDIA GeForce GTX 1650"),
        ];
        each_case(cases, |(line, expected)| {
            assert_eq!(device_of(line), expected);
        });
    }
}
