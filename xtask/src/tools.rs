//! Tools that the chores need and Cargo does not provide. They are installed under `target/` and
//! nowhere else.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::step::{output, root, run, works};

/// Version of the auditor of dependencies and licences.
const CARGO_DENY: &str = "0.20.2";
/// Version of the collector of licences.
const CARGO_ABOUT: &str = "0.9.3";
/// Python packages of the tests: ONNX's checker and runtime, and hosts of plugins.
const TEST_PACKAGES: [&str; 2] = [
    "separator/tests/onnx/requirements.txt",
    "plugin/tests/python/requirements.txt",
];
/// The package of libclang, for systems that have none. TensorRT's binding needs it to be built,
/// not to run.
const LIBCLANG: &str = "libclang==18.1.1";
/// The package of NVRTC, NVIDIA's compiler of kernels: another version gives other machine code.
pub(crate) const NVRTC: &str = "nvidia-cuda-nvrtc-cu12==12.9.86";
/// The package of zig, whose C compiler has the headers of macOS.
const ZIG: &str = "ziglang==0.17.1";
/// Python packages of the benchmarks.
const BENCH_PACKAGES: &str = "benches/requirements.txt";

/// Returns the path of `cargo deny`, installed on first use. It is built without optimisation and
/// without debug information: it runs for a second, and builds for minutes.
pub(crate) fn cargo_deny() -> Result<String> {
    installed(
        "cargo-deny",
        CARGO_DENY,
        &["--debug"],
        &[("CARGO_PROFILE_DEV_DEBUG", "0")],
    )
}

/// Returns the path of `cargo about`, installed on first use. It compares texts, which takes ages
/// without optimisation.
pub(crate) fn cargo_about() -> Result<String> {
    installed("cargo-about", CARGO_ABOUT, &["--features", "cli"], &[])
}

/// Returns the path of the tool `name`, installed on first use with the flags `more`.
fn installed(
    name: &str,
    version: &str,
    more: &[&str],
    environment: &[(&str, &str)],
) -> Result<String> {
    let home = root().join("target/tools");
    let program = text(home.join("bin").join(name))?;
    if !works(&program, &["--version"]) {
        let (home, package) = (text(home)?, format!("{name}@{version}"));
        let arguments = ["install", "--quiet", "--locked", "--root", &home, &package];
        run("cargo", &[&arguments, more].concat(), environment)?;
    }
    Ok(program)
}

/// Returns the target that this compiler builds for, such as `x86_64-unknown-linux-gnu`.
pub(crate) fn host_target() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc; is Rust installed?")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// Returns a Python with the packages of the tests, in a virtual environment that is made on first
/// use.
pub(crate) fn python() -> Result<String> {
    let imports = "import onnx, onnxruntime, numpy, dawdreamer, pedalboard, soundfile";
    environment("target/venv", imports, &required(&TEST_PACKAGES))
}

/// Returns a Python with the packages of the benchmarks, likewise: PyTorch and its dependencies
/// take 6 GB.
pub(crate) fn bench_python() -> Result<String> {
    let imports = "import torch, demucs, onnxruntime, matplotlib, scipy";
    environment("target/bench/venv", imports, &required(&[BENCH_PACKAGES]))
}

/// Returns a Python with libclang and nothing else.
pub(crate) fn libclang_python() -> Result<String> {
    environment("target/tools/libclang", "import clang", &[LIBCLANG])
}

/// Returns the path of NVRTC's library, in a virtual environment that has nothing else.
pub(crate) fn nvrtc() -> Result<String> {
    let (package, version) = NVRTC.split_once("==").context("NVRTC has no version")?;
    // An older one that was installed before is replaced.
    let imports = format!(
        "import nvidia.cuda_nvrtc, importlib.metadata; assert importlib.metadata.version('{package}') == '{version}'"
    );
    let python = environment("target/tools/nvrtc", &imports, &[NVRTC])?;

    let find = "import nvidia.cuda_nvrtc, pathlib; print(pathlib.Path(list(nvidia.cuda_nvrtc.__path__)[0], 'lib', 'libnvrtc.so.12'))";
    output(&python, &["-c", find])
}

/// Returns the path of zig, in a virtual environment that has nothing else.
pub(crate) fn zig() -> Result<String> {
    let python = environment("target/tools/zig", "import ziglang", &[ZIG])?;
    let find = "import ziglang, pathlib; print(pathlib.Path(ziglang.__file__).with_name('zig'))";
    output(&python, &["-c", find])
}

/// Returns pip's arguments for installing all packages that `files` list.
fn required<'a>(files: &[&'a str]) -> Vec<&'a str> {
    files
        .iter()
        .flat_map(|file| ["--requirement", file])
        .collect()
}

/// Returns the Python of the virtual environment in `folder`. If `imports` fails there, the
/// environment is created and `packages` are installed.
fn environment(folder: &str, imports: &str, packages: &[&str]) -> Result<String> {
    let home = root().join(folder);
    let bin = if cfg!(windows) { "Scripts" } else { "bin" };

    let program = text(home.join(bin).join("python"))?;
    if !works(&program, &["-c", imports]) {
        if !works("python3", &["-c", "import venv, ensurepip"]) {
            bail!("this needs Python 3 with venv: sudo apt install python3-venv");
        }

        run("python3", &["-m", "venv", &text(home)?], &[])?;
        run(
            &program,
            &[&["-m", "pip", "install", "--quiet"], packages].concat(),
            &[],
        )?;

        if !works(&program, &["-c", imports]) {
            bail!(
                "{program} cannot import what was installed; on Debian and Ubuntu: sudo apt install libgl1 libglib2.0-0 \
                 (what is missing: {program} -c '{imports}')"
            );
        }
    }

    Ok(program)
}

/// Returns `path` as text.
pub(crate) fn text(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .ok()
        .context("the workspace's path is not valid Unicode; move it elsewhere")
}
