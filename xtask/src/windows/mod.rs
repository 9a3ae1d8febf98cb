//! `cargo xtask windows`: command, plugin and all tests, built for Windows on Linux and run under
//! Wine.
//!
//! ```text
//! target/cross/wine/         Wine's drive C: and registry
//! target/cross/wine-tests/   what each test program said
//! ```

mod bundle;
mod imports;
mod screen;
mod skipped;
mod wine;

use anyhow::{Result, bail};

use crate::cross::{DEBIANS_RUST, Toolchain};
use crate::step::works;
use crate::suite::{Program, Suite};
use crate::tensorrt;
pub(crate) use bundle::Bundle;
use wine::Wine;

/// The target: with the library of MinGW, whose compilers Debian has.
pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";
/// The C compiler, which also links, and that of C++. Of their two kinds these are the ones whose
/// C++ has threads.
const CC: &str = "x86_64-w64-mingw32-gcc-posix";
const CXX: &str = "x86_64-w64-mingw32-g++-posix";
/// All that is built: one choice of packages and features, or dependencies are built twice.
const ALL: [&str; 6] = [
    "--workspace",
    "--features",
    "sextet-cli/tensorrt",
    "--lib",
    "--bins",
    "--tests",
];

/// Builds everything and runs the tests under Wine.
///
/// # Errors
/// When something is not installed, does not build, or fails.
pub(crate) fn run() -> Result<()> {
    let toolchain = toolchain()?;
    let built = toolchain.cargo("build", &ALL)?;
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
        "    {} tests are not built for Windows:",
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
        (works(CXX, &["--version"]), "g++-mingw-w64-x86-64-posix"),
        (works("llvm-ar", &["--version"]), "llvm"),
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
        ("CXX_x86_64_pc_windows_gnu", CXX),
        // TensorRT's binding is one file of 50,011 sections. MinGW's assembler takes it when it is
        // told to; its archiver does not end.
        ("CXXFLAGS_x86_64_pc_windows_gnu", "-Wa,-mbig-obj"),
        ("AR_x86_64_pc_windows_gnu", "llvm-ar"),
        // Nobody's Windows has MinGW's libraries: C++ is linked in.
        ("CXXSTDLIB_x86_64_pc_windows_gnu", "static:-bundle=stdc++"),
    ] {
        toolchain.set(name, value);
    }
    for (name, value) in tensorrt::libclang()? {
        toolchain.set(name, &value);
    }
    Ok(toolchain)
}
