//! Tools that the chores need and Cargo does not bring: they are put under `target/` and nowhere
//! else.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::step::{root, run, works};

/// The auditor of dependencies and licences.
const CARGO_DENY: &str = "0.20.2";
/// The collector of licences.
const CARGO_ABOUT: &str = "0.9.3";
/// What the tests import: ONNX's checker and runtime, and hosts of plugins.
const TEST_PACKAGES: [&str; 2] = [
    "separator/tests/onnx/requirements.txt",
    "plugin/tests/python/requirements.txt",
];
/// The package of libclang, for systems that have none: it is needed to build TensorRT's binding,
/// not to run it.
const LIBCLANG: &str = "libclang==18.1.1";
/// What the benchmarks import.
const BENCH_PACKAGES: &str = "benches/requirements.txt";

/// Where `cargo deny` is, installed on first use. Built without optimisation and without what
/// debuggers read: it runs for a second, and builds for minutes.
pub(crate) fn cargo_deny() -> Result<String> {
    installed(
        "cargo-deny",
        CARGO_DENY,
        &["--debug"],
        &[("CARGO_PROFILE_DEV_DEBUG", "0")],
    )
}

/// Where `cargo about` is, installed on first use. It compares texts, which takes ages without
/// optimisation.
pub(crate) fn cargo_about() -> Result<String> {
    installed("cargo-about", CARGO_ABOUT, &["--features", "cli"], &[])
}

/// Where the tool `name` is, installed on first use with the flags `more`.
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

/// What this compiler builds for, as in `x86_64-unknown-linux-gnu`.
pub(crate) fn host_target() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc; is Rust installed?")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// A Python with the packages of the tests, in a virtual environment that is made on first use.
pub(crate) fn python() -> Result<String> {
    let imports = "import onnx, onnxruntime, numpy, dawdreamer, pedalboard, soundfile";
    environment("target/venv", imports, &required(&TEST_PACKAGES))
}

/// A Python with what the benchmarks compare with, likewise: PyTorch and what it needs take 6 GB.
pub(crate) fn bench_python() -> Result<String> {
    let imports = "import torch, demucs, onnxruntime, matplotlib, scipy";
    environment("target/bench/venv", imports, &required(&[BENCH_PACKAGES]))
}

/// A Python with libclang and nothing else.
pub(crate) fn libclang_python() -> Result<String> {
    environment("target/tools/libclang", "import clang", &[LIBCLANG])
}

/// What pip is told to install all packages that `files` list.
fn required<'a>(files: &[&'a str]) -> Vec<&'a str> {
    files
        .iter()
        .flat_map(|file| ["--requirement", file])
        .collect()
}

/// The Python of the virtual environment in `folder`, in which `imports` works. Where it does not,
/// pip makes it so by installing `packages`.
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

/// `path` as text.
pub(crate) fn text(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .ok()
        .context("the workspace's path is not valid Unicode; move it elsewhere")
}
