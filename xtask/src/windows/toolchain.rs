//! Debian's packages that build for Windows and stand for it: Rust, MinGW's compilers, Wine.

use anyhow::{Result, bail};

use super::TARGET;
use super::wine::Wine;
use crate::cross::{DEBIANS_RUST, Toolchain};
use crate::step::works;

/// The C compiler, which also links. Of its two kinds this is the one whose threads are POSIX's.
pub(super) const CC: &str = "x86_64-w64-mingw32-gcc-posix";

/// Returns the toolchain, with MinGW's compilers.
///
/// # Errors
/// What has to be installed, in one line.
pub(super) fn find() -> Result<Toolchain> {
    let missing = missing();
    let mut toolchain = match Toolchain::find(TARGET) {
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

/// Returns the packages of Debian that this machine lacks.
pub(super) fn missing() -> Vec<&'static str> {
    let needs = [
        (Toolchain::find(TARGET).is_some(), DEBIANS_RUST),
        (works(CC, &["--version"]), "gcc-mingw-w64-x86-64-posix"),
        (Wine::program().is_some(), "wine64"),
        (works("Xvfb", &["-help"]), "xvfb"),
    ];
    let missing = needs.into_iter().filter(|(there, _)| !there);
    missing.map(|(_, package)| package).collect()
}
