//! The description of the GPU that is shown, made of all findings.

use sextet_protocol::worker::Gpu;

use super::facts::GpuFacts;
use super::state::{Verdict, device};
use super::verdict::verdict;

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
