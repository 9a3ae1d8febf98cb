//! `cargo xtask windows`: crates built for Windows on Linux, and their tests run under Wine.
//!
//! ```text
//! target/cross/wine/         Wine's drive C: and registry
//! target/cross/wine-tests/   what each test program said
//! ```

mod suite;
mod wine;

use anyhow::{Result, bail};

use crate::cross::{DEBIANS_RUST, Toolchain};
use crate::step::works;
use suite::Program;
use wine::Wine;

/// The target: with the library of MinGW, whose compilers Debian has.
const TARGET: &str = "x86_64-pc-windows-gnu";
/// The C compiler, which also links. Of its two kinds this is the one whose C++ has threads.
const CC: &str = "x86_64-w64-mingw32-gcc-posix";
/// The crates whose tests have been brought to run there.
const CRATES: [&str; 6] = [
    "--package",
    "sextet-fs",
    "--package",
    "sextet-wav",
    "--package",
    "sextet-protocol",
];

/// Builds the crates and runs their tests under Wine.
///
/// # Errors
/// When something is not installed, does not build, or fails.
pub(crate) fn run() -> Result<()> {
    let toolchain = toolchain()?;
    let built = toolchain.cargo("build", &[&CRATES[..], &["--lib", "--tests"]].concat())?;

    let wine = Wine::start(&toolchain.folder(), CC)?;
    println!("\n==> tests under Wine");
    let logs = toolchain.folder().join("wine-tests");
    suite::run(&wine, &Program::all(&built), &logs)
}

/// Returns the toolchain for Windows, with MinGW's compilers.
///
/// # Errors
/// What has to be installed, in one line.
fn toolchain() -> Result<Toolchain> {
    let toolchain = Toolchain::find(TARGET);
    let needs = [
        (toolchain.is_some(), DEBIANS_RUST),
        (works(CC, &["--version"]), "gcc-mingw-w64-x86-64-posix"),
        (Wine::program().is_some(), "wine64"),
    ];
    let missing = needs.into_iter().filter(|(there, _)| !there);
    let missing: Vec<_> = missing.map(|(_, package)| package).collect();
    let mut toolchain = match toolchain {
        Some(toolchain) if missing.is_empty() => toolchain,
        _ => bail!("this needs: sudo apt install {}", missing.join(" ")),
    };

    for (name, value) in [
        ("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", CC),
        ("CC_x86_64_pc_windows_gnu", CC),
        ("AR_x86_64_pc_windows_gnu", "x86_64-w64-mingw32-ar"),
    ] {
        toolchain.set(name, value);
    }
    Ok(toolchain)
}
