//! `cargo xtask package`: the crates that are published, packaged as `cargo publish` would.

use anyhow::Result;

use crate::step::run;

/// Crates that are published, each behind those that it depends on.
const CRATES: [&str; 7] = [
    "sextet-fs",
    "sextet-wav",
    "sextet-protocol",
    "sextet-model-mini",
    "sextet-cpu",
    "sextet-separator",
    "sextet-cli",
];

/// Packages the crates. With `verify`, each is built from its package, which takes a build of all
/// dependencies.
///
/// # Errors
/// When a crate cannot be packaged, for example because it includes a file from outside.
pub(crate) fn check(verify: bool) -> Result<()> {
    let mut arguments = vec!["package", "--locked", "--allow-dirty", "--quiet"];
    if !verify {
        arguments.push("--no-verify");
    }
    arguments.extend(CRATES.into_iter().flat_map(|name| ["--package", name]));
    run("cargo", &arguments, &[])
}
