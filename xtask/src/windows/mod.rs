//! `cargo xtask windows`: all crates built for Windows on Linux, and their tests run under Wine.
//! The part of it that is in `cargo xtask check` is `song.rs`.
//!
//! ```text
//! target/cross/wine/         Wine's drive C: and registry
//! target/cross/wine-tests/   what each test program said
//! ```

mod imports;
mod screen;
mod skipped;
mod song;
mod toolchain;
mod wine;

use anyhow::Result;

use crate::cross::Toolchain;
use crate::suite::{Program, Suite};
pub(crate) use imports::check as check_imports;
pub(crate) use song::check;
use wine::Wine;

/// The target: with the library of MinGW, whose compilers Debian has.
pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";
/// Licences of what MinGW's compiler links in by itself, by the names that archives have them by.
pub(crate) const LICENCES: [(&str, &str); 2] = [
    (
        "MINGW-RUNTIME.txt",
        "/usr/share/doc/mingw-w64-x86-64-dev/copyright",
    ),
    (
        "MINGW-GCC.txt",
        "/usr/share/doc/gcc-mingw-w64-base/copyright",
    ),
];
/// The crates with their tests, all with one choice of features.
const TESTED: [&str; 17] = [
    "--package",
    "sextet-fs",
    "--package",
    "sextet-wav",
    "--package",
    "sextet-protocol",
    "--package",
    "sextet-cpu",
    "--package",
    "sextet-separator",
    "--package",
    "sextet-cli",
    "--package",
    "sextet-plugin",
    "--lib",
    "--bins",
    "--tests",
];

/// Windows as it is to be had on Linux.
pub(crate) struct Windows {
    /// Builds for it.
    pub(crate) toolchain: Toolchain,
    /// Runs what was built.
    pub(crate) wine: Wine,
}

impl Windows {
    /// Returns it, with what is made on first use.
    ///
    /// # Errors
    /// What has to be installed, in one line; when Wine does not start.
    pub(crate) fn start() -> Result<Self> {
        let toolchain = toolchain::find()?;
        let wine = Wine::start(&toolchain.folder(), toolchain::CC)?;
        Ok(Self { toolchain, wine })
    }
}

/// Builds all crates and runs their tests under Wine.
///
/// # Errors
/// When something is not installed, does not build, or fails.
pub(crate) fn run() -> Result<()> {
    let windows = Windows::start()?;
    let built = windows.toolchain.cargo("build", &TESTED)?;
    check_imports(&imports::shipped(&built))?;

    let suite = Suite {
        system: "Wine",
        command: &|program| windows.wine.run(program),
        skipped: skipped::UNDER_WINE,
        logs: windows.toolchain.folder().join("wine-tests"),
    };
    let result = suite.run(&Program::all(&built));
    report_not_built();
    result
}

/// Prints the tests that are not built for Windows, with why.
fn report_not_built() {
    let not_built = skipped::NOT_BUILT.iter().map(|out| out.tests.len());
    println!(
        "    {} tests of the workspace are not built for Windows:",
        not_built.sum::<usize>()
    );
    for out in skipped::NOT_BUILT {
        println!(
            "        {}: {}: {}",
            out.file,
            out.why,
            out.tests.join(", ")
        );
    }
}
