//! `cargo xtask arm`: the command, built for ARM64 on Linux, and the CPU engine's tests run under
//! qemu. The instructions are NEON's, as on Apple's processors.
//!
//! ```text
//! target/cross/arm-tests/   what each test program said
//! target/cross/arm-stems/   the stems of a song
//! ```

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::bundle::{self, Build, bytes};
use crate::cross::{DEBIANS_RUST, Toolchain};
use crate::step::{root, works};
use crate::suite::{Program, Suite};
use crate::system::{System, Workshop};

/// The target.
pub(crate) const TARGET: &str = "aarch64-unknown-linux-gnu";
/// The C compiler, which also links.
const CC: &str = "aarch64-linux-gnu-gcc";
/// The processor without its system.
const QEMU: &str = "qemu-aarch64";
/// The C library of the target, where Debian's compilers have it.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// The tests of kernels, engine and whole network. The command is among the packages for the sake
/// of its choice of features.
const TESTS: [&str; 10] = [
    "--no-run",
    "--package",
    "sextet-cpu",
    "--package",
    "sextet-separator",
    "--package",
    "sextet-cli",
    "--lib",
    "--test=kernels",
    "--test=parity",
];
/// Parity cases that are not run, as their test takes them: those of wide networks and long
/// segments, for which qemu takes too long.
const LEFT_OUT: &str = "-official,-accuracy-16,-accuracy-24,-accuracy-four,-accuracy-one";
/// A short song.
const SONG: &str = "separator/tests/audio_fixtures/stereo.flac";

/// Runs the tests under qemu, bundles command and plugin, and separates a song.
///
/// # Errors
/// When something is not installed, does not build, or fails.
pub(crate) fn run() -> Result<()> {
    let toolchain = toolchain()?;
    let tests = toolchain.cargo("test", &TESTS)?;
    let suite = Suite {
        system: "qemu",
        command: &emulated_tests,
        skipped: &[],
        logs: toolchain.folder().join("arm-tests"),
    };
    suite.run(&Program::all(&tests))?;
    println!("    parity cases that were left out: {LEFT_OUT}, which name a part of theirs");

    let build = Build {
        system: System::Arm,
        profile: "dev",
        cpu_only: false,
    };
    let bundle = bundle::make(build, &Workshop::open(build.system)?)?;
    separate(&bundle.command, &toolchain.folder())
}

/// Has `command` separate a short song under qemu.
fn separate(command: &Path, folder: &Path) -> Result<()> {
    let stems = folder.join("arm-stems");
    if stems.exists() {
        fs::remove_dir_all(&stems)?;
    }

    println!("\n==> a song under qemu");
    let begin = Instant::now();
    let mut separate = emulated(command);
    separate.arg("separate").arg(root().join(SONG));
    let status = separate.arg("--output").arg(&stems).status()?;
    ensure!(status.success(), "the command failed under qemu ({status})");

    println!(
        "    {} bytes of stems in {:.0} s",
        bytes(&stems)?,
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Returns a command that runs a program of tests, which is to show the errors that it measures.
fn emulated_tests(program: &Path) -> Command {
    let mut command = emulated(program);
    command.arg("--show-output").env("SEXTET_PARITY", LEFT_OUT);
    command
}

/// Returns a command that runs `program`, and the programs that it starts, in qemu.
pub(crate) fn emulated(program: &Path) -> Command {
    let mut command = Command::new(QEMU);
    command.arg(program).env("QEMU_LD_PREFIX", LIBRARIES);
    command
}

/// Returns the toolchain for ARM64.
///
/// # Errors
/// What has to be installed, in one line.
pub(crate) fn toolchain() -> Result<Toolchain> {
    let toolchain = Toolchain::find(TARGET);
    let needs = [
        (toolchain.is_some(), DEBIANS_RUST),
        (
            works(CC, &["--version"]),
            "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        ),
        (works(QEMU, &["--version"]), "qemu-user"),
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
