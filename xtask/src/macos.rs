//! `cargo xtask macos`: type-checks command and plugin for macOS, on another system. Nothing is
//! linked, and nothing runs.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

use crate::cross::{DEBIANS_RUST, Toolchain};

/// Apple's processors, and those before.
const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];
/// What is checked.
const PACKAGES: [&str; 4] = ["--package", "sextet-cli", "--package", "sextet-plugin"];

/// Checks both targets.
///
/// # Errors
/// When something is not installed, or has a fault.
pub(crate) fn run() -> Result<()> {
    for target in TARGETS {
        let Some(mut toolchain) = Toolchain::find(target) else {
            bail!("this needs: sudo apt install {DEBIANS_RUST}");
        };
        leave_out_c(&mut toolchain, target);

        let checked = toolchain.cargo("check", &PACKAGES)?;
        let names: BTreeSet<_> = checked
            .iter()
            .map(|found| found.target.name.as_str())
            .collect();
        for ours in ["sextet", "sextet_plugin"] {
            ensure!(names.contains(ours), "{ours} was not checked for {target}");
        }
        println!("    {} crates pass for {target}", names.len());
    }
    Ok(())
}

/// Has build scripts leave out what they compile of C, which only Apple's kit has headers for: a
/// check needs no object files.
fn leave_out_c(toolchain: &mut Toolchain, target: &str) {
    let target = target.replace('-', "_");
    for tool in ["CC", "AR"] {
        toolchain.set(&format!("{tool}_{target}"), "true");
    }
    // Where the kit would be, so that it is not asked for.
    toolchain.set("SDKROOT", "/");
}
