//! `cargo xtask bench`: reproduces the figures of `docs/benchmarks.md`, on the CPU and, if there is
//! one, on an NVIDIA GPU, each against PyTorch in the same run.

use anyhow::Result;

use crate::step::{borrowed, run, target, works};
use crate::{tensorrt, tools};

/// Builds the timed programs and runs the benchmarks. With a GPU this takes ten minutes and more,
/// else five.
///
/// # Errors
/// The first step that fails.
pub(crate) fn run_all() -> Result<()> {
    let python = tools::bench_python()?;
    cpu(&python)?;
    if works("nvidia-smi", &["-L"]) {
        gpu(&python)
    } else {
        no_gpu()
    }
}

fn cpu(python: &str) -> Result<()> {
    run(
        "cargo",
        &["build", "--release", "--locked", "--package", "sextet-cli"],
        &[],
    )?;

    let example = ["--package", "sextet-separator", "--example", "time_chunks"];
    run(
        "cargo",
        &[&["build", "--release", "--locked"], &example[..]].concat(),
        &[],
    )?;

    run(python, &["benches/cpu.py"], &[])
}

fn gpu(python: &str) -> Result<()> {
    // Build the command with TensorRT.
    let building = tensorrt::libclang()?;
    let package = ["--package", "sextet-cli", "--features", "tensorrt"];
    run(
        "cargo",
        &[&["build", "--release", "--locked"], &package[..]].concat(),
        &borrowed(&building),
    )?;

    let command = tools::text(
        target()?
            .join("release")
            .join(sextet_protocol::COMMAND_FILE),
    )?;

    // Time it against PyTorch, and plot the times.
    let (library, _) = tensorrt::library()?;
    let arguments = [
        "--sextet",
        &command,
        "--song",
        "samples/six-of-one.flac",
        "--out",
        "target/bench/gpu",
    ];

    let here = [("SEXTET_TENSORRT", library.as_str())];
    run(
        python,
        &[&["benches/gpu.py", "--compile", "8"], &arguments[..]].concat(),
        &here,
    )?;

    run(
        python,
        &[
            "benches/plot_gpu.py",
            "target/bench/gpu/times.json",
            "target/bench/gpu.png",
        ],
        &[],
    )
}

fn no_gpu() -> Result<()> {
    println!("\n==> gpu\n    left out: nvidia-smi finds no NVIDIA GPU");
    Ok(())
}
