//! Sextet's chores. `cargo xtask check` runs the checks that a change must pass, here and in CI;
//! `bundle`, `install` and `dist` build the plugin for hosts and for download.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod bundle;
mod check;
mod cross;
mod dist;
mod install;
mod kernels;
mod macos;
mod package;
mod step;
mod suite;
mod tensorrt;
mod tidy;
mod tools;
mod windows;

use std::process::ExitCode;

use anyhow::{Result, bail};

use bundle::Build;

const USAGE: &str = "\
usage: cargo xtask <chore>

  check          everything that CI checks: format, lints, layout, public API, packages, kernels, tests, documentation, dependencies and licences, types on macOS
  check --fast   the same without what has to be downloaded: no Python packages, no kernels, no TensorRT, no audit of dependencies
  tensorrt       only the checks with TensorRT: lints and tests with NVIDIA's library, which need no GPU
  kernels        compiles the kernels of the CUDA engine into separator/kernels/kernels.bin; needs no GPU
  kernels --check
                 whether that file is the one of the sources; fails on the compiler's warnings and on spilled registers
  api            the public API of each library as a text beside it, public-api.txt
  api --check    whether the texts are those of the sources
  package        whether the crates that are published can be packaged; --verify builds them from their packages
  tidy           only the checks of the layout: headers, lengths of files, of lines of kernels
  windows        the tests of fs, wav and protocol and the plugin in its hosts and a window, built for Windows on Linux and run under
                 Wine; needs Debian's packages, which it names
  macos          command and plugin, type-checked for macOS on Linux; needs Debian's packages, which it names
  bench          the benchmarks against PyTorch, on the CPU and, if nvidia-smi finds one, on the GPU

  bundle         the VST3 and CLAP plugin with the command that it runs, into target/bundled/
  install        the same, then puts them where this user's hosts look
  uninstall      removes what install has put there
  dist           the archive that people download, into target/dist/

bundle, install and dist take
  --profile NAME   dev, release (usual for bundle and install) or dist (usual for dist)
  --cpu-only       a command without TensorRT; otherwise it has it on Linux and Windows, x86-64, which needs libclang.
                   The CUDA engine is part of every command";

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
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["check"] => check::all(),
        ["check", "--fast"] => check::fast(),
        ["tensorrt"] => check::tensorrt(),
        ["kernels"] => kernels::write(),
        ["kernels", "--check"] => kernels::check(),
        ["api"] => check::public_api(&[]),
        ["api", "--check"] => check::public_api(&["--check"]),
        ["package"] => package::check(false),
        ["package", "--verify"] => package::check(true),
        ["tidy"] => tidy::run(),
        ["windows"] => windows::run(),
        ["macos"] => macos::run(),
        ["bench"] => bench::run_all(),
        ["bundle", rest @ ..] => bundle::make(build(rest, "release")?).map(drop),
        ["install", rest @ ..] => install::install(&bundle::make(build(rest, "release")?)?),
        ["uninstall"] => install::uninstall(),
        ["dist", rest @ ..] => dist::make(build(rest, "dist")?),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no chore '{}'\n\n{USAGE}", other.join(" ")),
    }
}

/// Parses the build options in `arguments`; the profile is `usual` unless given.
fn build<'a>(arguments: &[&'a str], usual: &'a str) -> Result<Build<'a>> {
    let mut build = Build {
        profile: usual,
        cpu_only: false,
    };
    let mut rest = arguments;
    loop {
        rest = match rest {
            [] => return Ok(build),
            ["--cpu-only", rest @ ..] => {
                build.cpu_only = true;
                rest
            }
            ["--profile", name @ ("dev" | "release" | "dist"), rest @ ..] => {
                build.profile = name;
                rest
            }
            other => bail!(
                "expected --cpu-only, or --profile and dev, release or dist; found '{}'\n\n{USAGE}",
                other.join(" ")
            ),
        };
    }
}
