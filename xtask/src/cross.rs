//! Toolchains that build for another system than this one: that of whoever runs the chore where it
//! has the target's standard library or its source, else Debian's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Artifact, Message};

use crate::step::{output, root};
use crate::tools::text;

/// The packages of Debian with a Rust that is new enough and the source of its standard library.
pub(crate) const DEBIANS_RUST: &str = "rustc-web cargo-web rust-web-src";
/// Cargo and the compiler, of whoever runs this and of Debian.
const CANDIDATES: [(&str, &str); 2] = [("cargo", "rustc"), ("/usr/bin/cargo", "/usr/bin/rustc")];

/// A toolchain that builds for `target`.
pub(crate) struct Toolchain {
    target: &'static str,
    cargo: &'static str,
    /// Compiled along where the toolchain has nothing but its source.
    builds_library: bool,
    environment: Vec<(String, String)>,
}

impl Toolchain {
    /// Returns the toolchain for `target`, whose name Cargo gives to its folder; `None` if this
    /// machine has none.
    pub(crate) fn find(target: &'static str) -> Option<Self> {
        let with = |builds_library: bool| {
            let found = CANDIDATES.into_iter().find(|(cargo, rustc)| {
                let there = if builds_library {
                    has_source(rustc)
                } else {
                    has_library(rustc, target)
                };
                there && output(cargo, &["--version"]).is_ok()
            })?;
            Some((found, builds_library))
        };

        let ((cargo, rustc), builds_library) = with(false).or_else(|| with(true))?;
        let mut environment = vec![
            ("RUSTC".to_owned(), rustc.to_owned()),
            // Incremental data would be half of what the build writes.
            ("CARGO_INCREMENTAL".to_owned(), "0".to_owned()),
        ];
        if builds_library {
            environment.push(("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned()));
        }

        Some(Self {
            target,
            cargo,
            builds_library,
            environment,
        })
    }

    /// Adds a variable to the environment of each build.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Returns the folder of all that is built, apart from what is built for this system: another
    /// compiler would build all of that again.
    pub(crate) fn folder(&self) -> PathBuf {
        root().join("target").join("cross")
    }

    /// Runs a command of Cargo and returns what it has built, dependencies included.
    ///
    /// # Errors
    /// When Cargo does not succeed.
    pub(crate) fn cargo(&self, command: &str, more: &[&str]) -> Result<Vec<Artifact>> {
        let mut arguments = vec![command, "--locked", "--target", self.target];
        arguments.extend(more);
        if self.builds_library {
            arguments.push("-Zbuild-std=std,panic_unwind");
        }
        println!("\n==> {} {}", self.cargo, arguments.join(" "));
        let begin = Instant::now();

        let mut child = Command::new(self.cargo)
            .args(&arguments)
            .arg("--message-format=json-render-diagnostics")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("CARGO_TARGET_DIR", text(self.folder())?)
            .current_dir(root())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.cargo))?;

        let messages = child.stdout.take().context("the child has an output")?;
        let mut built = Vec::new();
        for message in Message::parse_stream(std::io::BufReader::new(messages)) {
            if let Message::CompilerArtifact(artifact) = message? {
                built.push(artifact);
            }
        }

        let status = child.wait()?;
        if !status.success() {
            bail!("'{} {}' failed ({status})", self.cargo, arguments.join(" "));
        }

        println!("    took {:.0} s", begin.elapsed().as_secs_f64());
        Ok(built)
    }
}

/// Whether the compiler `rustc` has the standard library for `target`.
fn has_library(rustc: &str, target: &str) -> bool {
    let folder = output(rustc, &["--print", "target-libdir", "--target", target]);
    folder.is_ok_and(|folder| {
        let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// Whether the compiler `rustc` has the source of its standard library.
fn has_source(rustc: &str) -> bool {
    output(rustc, &["--print", "sysroot"]).is_ok_and(|root| {
        let source = "lib/rustlib/src/rust/library/std/Cargo.toml";
        Path::new(&root).join(source).is_file()
    })
}
