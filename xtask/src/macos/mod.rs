//! `cargo xtask macos`: command and plugin, type-checked for macOS on Linux. Nothing is linked:
//! that takes Apple's frameworks.

pub(crate) mod bundle;

use anyhow::{Result, bail};

use crate::cross::{DEBIANS_RUST, Toolchain};
use crate::tools;

/// The target of a Mac with Apple's processor, and zig's name for it.
const APPLE: (&str, &str) = ("aarch64-apple-darwin", "aarch64-macos");
/// The same of a Mac with Intel's.
const INTEL: (&str, &str) = ("x86_64-apple-darwin", "x86_64-macos");
/// Command and plugin.
const CRATES: [&str; 6] = [
    "--package",
    "sextet-cli",
    "--package",
    "sextet-plugin",
    "--lib",
    "--bins",
];

/// Checks command and plugin for both processors.
///
/// # Errors
/// When something is not installed, or the compiler finds a fault.
pub(crate) fn run() -> Result<()> {
    for target in [APPLE, INTEL] {
        let Some(toolchain) = Toolchain::find(target.0) else {
            bail!("this needs: sudo apt install {DEBIANS_RUST}");
        };
        check_with(toolchain, target)?;
    }
    println!("    command and plugin have the types of macOS; they were neither linked nor run");
    Ok(())
}

/// Checks command and plugin for Apple's processors alone, which is what every change can wait for.
/// Returns what was left out for want of Debian's packages.
///
/// # Errors
/// When the compiler finds a fault.
pub(crate) fn check() -> Result<Option<String>> {
    match Toolchain::find(APPLE.0) {
        Some(toolchain) => check_with(toolchain, APPLE).map(|()| None),
        None => Ok(Some(format!(
            "macOS, which needs: sudo apt install {DEBIANS_RUST}"
        ))),
    }
}

/// Checks command and plugin for the target `rust`, which is zig's target `zig`.
fn check_with(mut toolchain: Toolchain, (rust, zig): (&str, &str)) -> Result<()> {
    // The C code of dependencies is compiled by zig, which has the headers of macOS and takes flags
    // of its own.
    let program = tools::zig()?;
    let suffix = rust.replace('-', "_");
    for (name, value) in [
        ("CC", format!("{program} cc")),
        ("AR", format!("{program} ar")),
        ("CFLAGS", format!("-target {zig}")),
    ] {
        toolchain.set(&format!("{name}_{suffix}"), &value);
    }
    toolchain.set("CRATE_CC_NO_DEFAULTS", "1");
    let cache = toolchain.folder().join("zig-cache");
    toolchain.set("ZIG_GLOBAL_CACHE_DIR", &tools::text(cache)?);

    toolchain.cargo("check", &CRATES).map(drop)
}
