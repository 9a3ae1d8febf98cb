//! One step of a chore: a command that is shown, run, and must succeed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Returns the folder that holds the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Returns the folder that Cargo builds in.
///
/// # Errors
/// When Cargo's metadata cannot be read.
pub(crate) fn target() -> Result<PathBuf> {
    let mut command = cargo_metadata::MetadataCommand::new();
    let metadata = command
        .current_dir(root())
        .no_deps()
        .exec()
        .context("cargo metadata failed")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Runs `program` in the workspace's folder. `environment` is added to its own.
///
/// # Errors
/// When the program cannot be started or does not succeed.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    println!("\n==> {program} {}", arguments.join(" "));
    let begin = Instant::now();

    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root());
    let status = command
        .status()
        .with_context(|| format!("cannot start {program}; is it installed?"))?;

    if !status.success() {
        bail!("'{program} {}' failed ({status})", arguments.join(" "));
    }

    println!("    took {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Returns the output of `program`, without the white space around it.
///
/// # Errors
/// When the program cannot be started or does not succeed.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!(
            "'{program} {}' failed ({})",
            arguments.join(" "),
            output.status
        );
    }

    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Whether `program` can be run with `arguments` and succeeds.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Borrows variables and their values in the form that [`run`] takes.
pub(crate) fn borrowed<'a>(environment: &'a [(&str, String)]) -> Vec<(&'a str, &'a str)> {
    environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}
