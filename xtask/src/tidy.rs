//! Conventions that no compiler checks: every file says what it is for, and none grows past one
//! purpose.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::step::root;

/// Lines that no source file may exceed.
const LONGEST_FILE: usize = 800;

/// Checks all Rust files that git knows.
///
/// # Errors
/// A list of what is not tidy.
pub(crate) fn run() -> Result<()> {
    let list = Command::new("git")
        .args(["ls-files", "*.rs"])
        .current_dir(root())
        .output()
        .context("cannot run git")?;

    let mut complaints = Vec::new();
    let mut count = 0;
    for name in String::from_utf8_lossy(&list.stdout).lines() {
        // A file that was just removed is still listed.
        let Ok(text) = fs::read_to_string(root().join(name)) else {
            continue;
        };

        count += 1;
        if !text.starts_with("//!") {
            complaints.push(format!("{name} does not start with //! and its purpose"));
        }

        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            complaints.push(format!(
                "{name} has {lines} lines; {LONGEST_FILE} at most: what is its second purpose?"
            ));
        }
    }

    if count == 0 {
        bail!("git lists no Rust files; is this a checkout?");
    }

    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }

    println!("    {count} files are tidy");
    Ok(())
}
