//! Sextet's chores: `cargo xtask check` is what a change has to pass, here and in CI.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod step;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask <chore>

  check          everything that CI checks: format, lints, layout, tests, documentation, dependencies and licences
  check --fast   the same without what has to be downloaded: no ONNX packages, no audit of dependencies
  tidy           only the checks of the layout: headers, lengths of files";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check"] => check::all(),
        ["check", "--fast"] => check::fast(),
        ["tidy"] => tidy::run(),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no chore '{}'\n\n{USAGE}", other.join(" ")),
    }
}
