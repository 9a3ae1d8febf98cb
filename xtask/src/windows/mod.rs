//! `cargo xtask windows`: crates and the plugin, built for Windows on Linux, and their tests run
//! under Wine.
//!
//! ```text
//! target/cross/wine/         Wine's drive C: and registry
//! target/cross/wine-tests/   what each test program said
//! ```

mod imports;
mod screen;
mod skipped;
mod wine;

use anyhow::{Result, bail};

use crate::cross::{DEBIANS_RUST, Toolchain};
use crate::step::works;
use crate::suite::{Program, Suite};
use wine::Wine;

/// The target: with the library of MinGW, whose compilers Debian has.
const TARGET: &str = "x86_64-pc-windows-gnu";
/// The C compiler, which also links. Of its two kinds this is the one whose C++ has threads.
const CC: &str = "x86_64-w64-mingw32-gcc-posix";
/// The crates whose tests have been brought to run there as a whole.
const CRATES: [&str; 8] = [
    "--package",
    "sextet-fs",
    "--package",
    "sextet-wav",
    "--package",
    "sextet-protocol",
    "--lib",
    "--tests",
];
/// The plugin's library, and those of its tests that need no command.
const PLUGIN: [&str; 6] = [
    "--package",
    "sextet-plugin",
    "--lib",
    "--test=clap_buses",
    "--test=vst3_host",
    "--test=window_on_windows",
];

/// Builds the crates and runs their tests under Wine.
///
/// # Errors
/// When something is not installed, does not build, or fails.
pub(crate) fn run() -> Result<()> {
    let toolchain = toolchain()?;
    let mut built = toolchain.cargo("build", &CRATES)?;
    built.extend(toolchain.cargo("build", &PLUGIN)?);
    imports::check(&built)?;

    let wine = Wine::start(&toolchain.folder(), CC)?;
    let suite = Suite {
        system: "Wine",
        command: &|program| wine.run(program),
        skipped: skipped::UNDER_WINE,
        logs: toolchain.folder().join("wine-tests"),
    };
    let result = suite.run(&Program::all(&built));

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
    result
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
        (works("Xvfb", &["-help"]), "xvfb"),
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
