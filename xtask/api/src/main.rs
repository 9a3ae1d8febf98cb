//! Writes the public API of each library that is published as a text beside it, so that a change of
//! it is seen and meant. `cargo xtask api` runs it; with `--check` it compares.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod list;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// Libraries that are published, by their folders.
const LIBRARIES: [&str; 5] = ["fs", "models", "protocol", "separator", "wav"];
/// Name of the text in a library's folder.
const FILE: &str = "public-api.txt";

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        None => write(),
        Some("--check") => check(),
        Some(other) => Err(anyhow::anyhow!(
            "expected nothing or --check, found '{other}'"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the folder that holds the libraries.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes the texts anew.
///
/// # Errors
/// When a source cannot be read or a text cannot be written.
fn write() -> Result<()> {
    for library in LIBRARIES {
        let path = place(library);
        fs::write(&path, list::of(&root().join(library))?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("    wrote {} texts called {FILE}", LIBRARIES.len());
    Ok(())
}

/// Compares the texts with the sources.
///
/// # Errors
/// The lines by which they differ.
fn check() -> Result<()> {
    let (mut complaints, mut lines) = (Vec::new(), 0);
    for library in LIBRARIES {
        let now = list::of(&root().join(library))?;
        let before = fs::read_to_string(place(library)).unwrap_or_default();
        lines += now.lines().count();
        complaints.extend(differences(library, &before, &now));
    }

    if complaints.is_empty() {
        println!("    {lines} lines are as they were");
        return Ok(());
    }
    bail!(
        "the public API has changed; a line that went (-) breaks those who depend on it, and needs a new minor version \
         before 1.0, a new major one after:\n{}\nif that is meant: cargo xtask api, and commit the {FILE}",
        complaints.join("\n")
    )
}

fn place(library: &str) -> PathBuf {
    root().join(library).join(FILE)
}

/// Returns the lines that only one of two texts has, each under the heading that it stands below.
fn differences(library: &str, before: &str, now: &str) -> Vec<String> {
    let (before, now) = (under_headings(before), under_headings(now));
    let gone = before.iter().filter(|line| !now.contains(line));
    let new = now.iter().filter(|line| !before.contains(line));

    let show = |sign: &str, (heading, line): &(&str, &str)| {
        format!("{sign} {library}: {heading} {}", line.trim())
    };
    gone.map(|line| show("-", line))
        .chain(new.map(|line| show("+", line)))
        .collect()
}

fn under_headings(text: &str) -> Vec<(&str, &str)> {
    let mut heading = "";
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("// ") {
            heading = line.trim_start_matches("// ");
        }
        lines.push((heading, line));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_moved_below_another_heading_has_changed() {
        let before = "// a::A\npub struct A {\n    pub x: u32,\n}\n\n// a::B\npub struct B;\n";
        let cases: [(&str, &[&str]); 4] = [
            (before, &[]),
            (
                "// a::A\npub struct A {\n}\n\n// a::B\npub struct B;\n",
                &["- lib: a::A pub x: u32,"],
            ),
            (
                "// a::A\npub struct A {\n    pub x: u64,\n}\n\n// a::B\npub struct B;\n",
                &["- lib: a::A pub x: u32,", "+ lib: a::A pub x: u64,"],
            ),
            (
                "// a::A\npub struct A {\n    pub x: u32,\n}\n",
                &["- lib: a::B // a::B", "- lib: a::B pub struct B;"],
            ),
        ];
        for (now, expected) in cases {
            assert_eq!(differences("lib", before, now), expected, "{now}");
        }
    }
}
