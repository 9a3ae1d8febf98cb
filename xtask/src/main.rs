//! Sextet's chores. `cargo xtask check` runs the checks that a change must pass, here and in CI;
//! `bundle`, `install` and `dist` build the plugin for hosts and for download.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arm;
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
mod system;
mod tensorrt;
mod tidy;
mod tools;
mod windows;

use std::process::ExitCode;

use anyhow::{Result, bail};

use bundle::{Build, Bundle};
use system::{System, Workshop};

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
  arm            command, plugin and the CPU engine's tests, built for ARM64 on Linux; the tests and a song run under qemu; likewise
  macos          command and plugin, type-checked for macOS on Linux; likewise
  bench          the benchmarks against PyTorch, on the CPU and, if nvidia-smi finds one, on the GPU

  bundle         the VST3 and CLAP plugin with the command that it runs, into target/bundled/
  install        the same, then puts them where this user's hosts look
  uninstall      removes what install has put there
  dist           the archive that people download, into target/dist/

bundle, install and dist take
  --profile NAME   dev, release (usual for bundle and install) or dist (usual for dist)
  --cpu-only       a command without TensorRT; otherwise it has it on Linux and Windows, x86-64, which needs libclang.
                   The CUDA engine is part of every command
bundle and dist take
  --target x86_64-pc-windows-gnu
                   what is for Windows, made on Linux with Debian's packages, and without TensorRT, which only Microsoft's
                   compiler can call there
  --target aarch64-unknown-linux-gnu
                   the same for Linux on ARM64";

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
        ["arm"] => arm::run(),
        ["macos"] => macos::run(),
        ["bench"] => bench::run_all(),
        ["bundle", rest @ ..] => bundled(build(rest, "release")?).map(drop),
        ["install", rest @ ..] => install::install(&bundled(build_here(rest)?)?),
        ["uninstall"] => install::uninstall(),
        ["dist", rest @ ..] => dist::make(build(rest, "dist")?),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no chore '{}'\n\n{USAGE}", other.join(" ")),
    }
}

/// Builds the bundles with the options `build`.
fn bundled(build: Build) -> Result<Bundle> {
    bundle::make(build, &Workshop::open(build.system)?)
}

/// Parses the build options of what is installed, which cannot be for another system.
fn build_here<'a>(arguments: &[&'a str]) -> Result<Build<'a>> {
    let build = build(arguments, "release")?;
    if build.system != System::This {
        bail!(
            "expected no --target: what is built for another system cannot be installed on this one. Use dist --target"
        );
    }
    Ok(build)
}

/// Parses the build options in `arguments`; the profile is `usual` unless given.
fn build<'a>(arguments: &[&'a str], usual: &'a str) -> Result<Build<'a>> {
    let mut build = Build {
        system: System::This,
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
            ["--target", name, rest @ ..] => {
                let Some(system) = System::of_target(name) else {
                    bail!(
                        "expected --target {} or {}, which are built for from another system; found '{name}'",
                        windows::TARGET,
                        arm::TARGET
                    );
                };
                build.system = system;
                rest
            }
            ["--profile", name @ ("dev" | "release" | "dist"), rest @ ..] => {
                build.profile = name;
                rest
            }
            other => bail!(
                "expected --cpu-only, --target and a target, or --profile and dev, release or dist; found '{}'\n\n{USAGE}",
                other.join(" ")
            ),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_build() {
        let here = Build {
            system: System::This,
            profile: "dist",
            cpu_only: false,
        };
        let windows = Build {
            system: System::Windows,
            ..here
        };
        let cases: [(&[&str], Option<Build>); 7] = [
            (&[], Some(here)),
            (
                &["--cpu-only"],
                Some(Build {
                    cpu_only: true,
                    ..here
                }),
            ),
            (&["--target", windows::TARGET], Some(windows)),
            (
                &["--profile", "dev", "--target", windows::TARGET],
                Some(Build {
                    profile: "dev",
                    ..windows
                }),
            ),
            (
                &["--target", arm::TARGET],
                Some(Build {
                    system: System::Arm,
                    ..here
                }),
            ),
            (&["--target", "x86_64-apple-darwin"], None),
            (&["--target"], None),
        ];
        for (arguments, expected) in cases {
            assert_eq!(build(arguments, "dist").ok(), expected, "{arguments:?}");
        }
        assert!(build_here(&["--target", windows::TARGET]).is_err());
    }
}
