//! Everything that a change has to pass.

use anyhow::Result;

use crate::step::run;
use crate::{tensorrt, tidy, tools};

/// All checks.
///
/// # Errors
/// The first check that fails.
pub(crate) fn all() -> Result<()> {
    lint()?;
    run("cargo", &["test", "--workspace", "--locked"], &[("SEXTET_PYTHON", &tools::python()?)])?;
    tensorrt::check()?;
    document()?;
    let deny = tools::cargo_deny()?;
    run(&deny, &["check", "bans", "licenses", "sources"], &[])?;
    println!("\nall checks passed");
    Ok(())
}

/// The checks that need nothing but Cargo and what it has fetched.
///
/// # Errors
/// The first check that fails.
pub(crate) fn fast() -> Result<()> {
    lint()?;
    run("cargo", &["test", "--workspace", "--locked", "--", "--skip", "onnx_"], &[])?;
    document()?;
    println!("\nall checks passed but those of ONNX files, TensorRT, dependencies and licences, which were left out");
    Ok(())
}

fn lint() -> Result<()> {
    run("cargo", &["fmt", "--all", "--check"], &[])?;
    println!("\n==> layout");
    tidy::run()?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
}

fn document() -> Result<()> {
    let strict = [("RUSTDOCFLAGS", "-D warnings")];
    run("cargo", &["doc", "--workspace", "--no-deps", "--locked", "--quiet"], &strict)
}
