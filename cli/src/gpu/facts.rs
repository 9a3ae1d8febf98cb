//! NVIDIA GPUs, their driver and the libraries that TensorRT needs, found without linking or
//! loading any of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::engine;

/// The GPUs, driver and libraries that were found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct GpuFacts {
    /// Name, memory and driver of each GPU, as `nvidia-smi` or the driver itself reports them.
    pub(crate) devices: Vec<String>,
    /// The driver's version.
    pub(crate) driver: Option<String>,
    /// The driver's library.
    pub(crate) cuda_library: Option<PathBuf>,
    /// The library of TensorRT for RTX.
    pub(crate) tensorrt_library: Option<PathBuf>,
    /// Whether an NVIDIA card is in the machine, with a driver or without. Known on Linux only.
    #[serde(skip)]
    pub(crate) has_card: bool,
}

impl GpuFacts {
    /// Whether anything indicates an NVIDIA GPU, working or not.
    pub(crate) fn shows_gpu(&self) -> bool {
        self.has_card || self.driver.is_some() || !self.devices.is_empty()
    }
}

/// Detects GPUs, driver and libraries.
pub(crate) fn detect() -> GpuFacts {
    let folders = library_folders();
    let (cuda, tensorrt) = if cfg!(windows) {
        (
            ["nvcuda.dll"].as_slice(),
            ["tensorrt_rtx_1_6.dll", "tensorrt_rtx.dll"].as_slice(),
        )
    } else {
        (
            ["libcuda.so.1"].as_slice(),
            ["libtensorrt_rtx.so.1", "libtensorrt_rtx.so"].as_slice(),
        )
    };

    let devices = from_smi().or_else(from_proc).unwrap_or_default();
    GpuFacts {
        driver: driver().or_else(|| devices.first()?.split(", ").nth(2).map(str::to_owned)),
        devices,
        cuda_library: find(&folders, cuda),
        tensorrt_library: find(&engine::library_folders().unwrap_or_default(), tensorrt)
            .or_else(|| find(&folders, tensorrt)),
        has_card: has_card(Path::new("/sys/bus/pci/devices")),
    }
}

/// Returns the highest compute capability of the GPUs. `nvidia-smi` reports it whatever the
/// driver's version.
pub(super) fn capability() -> Option<(i32, i32)> {
    let read = |line: String| {
        let (major, minor) = line.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    ask_smi("compute_cap")?.into_iter().filter_map(read).max()
}

fn from_smi() -> Option<Vec<String>> {
    ask_smi("name,memory.total,driver_version")
}

/// Queries `fields` of each GPU from `nvidia-smi`.
fn ask_smi(fields: &str) -> Option<Vec<String>> {
    let query = [&format!("--query-gpu={fields}"), "--format=csv,noheader"];
    let output = Command::new("nvidia-smi")
        .args(query)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;

    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned);

    output.status.success().then(|| lines.collect())
}

/// Reads `Model:` from each /proc/driver/nvidia/gpus/*/information.
fn from_proc() -> Option<Vec<String>> {
    let gpus = fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let model = |path: PathBuf| {
        let text = fs::read_to_string(path.join("information")).ok()?;
        Some(
            text.lines()
                .find_map(|line| line.strip_prefix("Model:"))?
                .trim()
                .to_owned(),
        )
    };

    Some(gpus.filter_map(|gpu| model(gpu.ok()?.path())).collect())
}

/// Reads the version number from /proc/driver/nvidia/version.
fn driver() -> Option<String> {
    let text = fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let number =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.lines()
        .next()?
        .split_whitespace()
        .find(number)
        .map(str::to_owned)
}

/// Whether one of the PCI devices in `folder` is a display or 3D controller of NVIDIA's: vendor
/// 10de, class 03.
fn has_card(folder: &Path) -> bool {
    let says = |path: &Path, file: &str, begin: &str| {
        fs::read_to_string(path.join(file)).is_ok_and(|text| text.starts_with(begin))
    };
    let devices = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|device| device.path());

    devices
        .into_iter()
        .any(|device| says(&device, "vendor", "0x10de") && says(&device, "class", "0x03"))
}

fn library_folders() -> Vec<PathBuf> {
    let variable = if cfg!(windows) {
        "PATH"
    } else {
        "LD_LIBRARY_PATH"
    };

    let usual = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/lib",
        "/usr/local/cuda/lib64",
        "/usr/local/nvidia/lib64",
        "/usr/lib/wsl/lib",
        "/run/opengl-driver/lib",
        "C:\\Windows\\System32",
    ];

    let named = std::env::var_os(variable).unwrap_or_default();
    std::env::split_paths(&named)
        .chain(usual.iter().map(PathBuf::from))
        .collect()
}

fn find(folders: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    let candidates = folders
        .iter()
        .filter(|folder| folder.as_path() != Path::new(""));
    candidates
        .flat_map(|folder| names.iter().map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn a_card_is_found_by_its_maker_and_what_it_is() {
        let cases = [
            ("0x10de", "0x030000", true),
            ("0x10de", "0x030200", true),
            ("0x10de", "0x040300", false),
            ("0x1002", "0x030000", false),
        ];

        each_case(cases, |(vendor, class, expected)| {
            let folder = tempfile::tempdir().unwrap();
            let device = folder.path().join("0000:01:00.0");
            fs::create_dir(&device).unwrap();
            fs::write(device.join("vendor"), format!("{vendor}\n")).unwrap();
            fs::write(device.join("class"), format!("{class}\n")).unwrap();
            assert_eq!(has_card(folder.path()), expected, "{vendor} {class}");
        });

        assert!(!has_card(Path::new("no such folder")));
    }
}
