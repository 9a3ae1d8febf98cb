//! `cargo xtask arm`: the command and the engine for 64-bit ARM, built on another processor and run
//! under qemu. The kernels take the ways that Apple's processors take, too (NEON).

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use cargo_metadata::Artifact;

use crate::cross::{DEBIANS_RUST, Toolchain};
use crate::step::{output, root, works};
use crate::suite::{Program, Suite};

/// The target.
const TARGET: &str = "aarch64-unknown-linux-gnu";
/// The C compiler, which also links.
const CC: &str = "aarch64-linux-gnu-gcc";
/// What runs programs of that processor.
const QEMU: &str = "qemu-aarch64";
/// The folder of the target's C library.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// The crates whose tests are run, with the tests.
const TESTS: [&str; 8] = [
    "--package",
    "sextet-cpu",
    "--package",
    "sextet-separator",
    "--lib",
    "--test=kernels",
    "--test=parity",
    "--no-run",
];

/// Builds the command and the tests, runs the tests under qemu, and has the command separate a
/// song.
///
/// # Errors
/// When something is not installed, does not build, or fails.
pub(crate) fn run() -> Result<()> {
    let toolchain = toolchain()?;
    let command = toolchain.cargo("build", &["--package", "sextet-cli"])?;
    let tests = toolchain.cargo("test", &TESTS)?;

    let suite = Suite {
        system: "qemu",
        command: &under_qemu,
        skipped: &[],
        logs: toolchain.folder().join("qemu-tests"),
    };
    suite.run(&Program::all(&tests))?;
    separate(&command)
}

/// Returns a command that runs `program` under qemu.
fn under_qemu(program: &Path) -> Command {
    let mut command = Command::new(QEMU);
    command.args(["-L", LIBRARIES]).arg(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SEXTET_") {
            command.env_remove(name);
        }
    }
    command
}

/// Has the command among `built` say what it found, and separate the sample song.
fn separate(built: &[Artifact]) -> Result<()> {
    let command = built
        .iter()
        .find_map(|artifact| artifact.executable.as_ref());
    let command = command.context("there is no command among what was built")?;
    println!("\n==> the sample song under qemu");

    let stems = root().join("target/cross/qemu-stems");
    if stems.exists() {
        std::fs::remove_dir_all(&stems)?;
    }
    let mut separate = under_qemu(command.as_std_path());
    separate
        .args(["separate", "samples/six-of-one.flac", "-o"])
        .arg(&stems)
        .current_dir(root());
    ensure!(
        separate.status()?.success(),
        "the command failed under qemu"
    );

    let files = std::fs::read_dir(stems.join("six-of-one"))?.flatten();
    let files = files.filter(|file| file.path().extension().is_some_and(|end| end == "wav"));
    let count = files.count();
    ensure!(count == 6, "expected six stems, found {count}");
    println!("    six stems");
    Ok(())
}

/// Returns the toolchain for 64-bit ARM.
///
/// # Errors
/// What has to be installed, in one line.
fn toolchain() -> Result<Toolchain> {
    let toolchain = Toolchain::find(TARGET);
    let needs = [
        (toolchain.is_some(), DEBIANS_RUST),
        (works(CC, &["--version"]), "gcc-aarch64-linux-gnu"),
        (output(QEMU, &["--version"]).is_ok(), "qemu-user"),
    ];
    let missing = needs.into_iter().filter(|(there, _)| !there);
    let missing: Vec<_> = missing.map(|(_, package)| package).collect();
    let mut toolchain = match toolchain {
        Some(toolchain) if missing.is_empty() => toolchain,
        _ => bail!("this needs: sudo apt install {}", missing.join(" ")),
    };

    for (name, value) in [
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", CC),
        ("CC_aarch64_unknown_linux_gnu", CC),
        ("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar"),
    ] {
        toolchain.set(name, value);
    }
    Ok(toolchain)
}
