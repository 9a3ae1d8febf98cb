//! `cargo xtask dist`: builds the archive that users download.
//!
//! ```text
//! target/dist/sextet-<version>-<processor>-<system>.tar.xz (.zip for Windows),
//! and its SHA-256 beside it
//!   README.txt  install.sh (for Windows install.cmd, uninstall.cmd)
//!   Sextet.vst3/  Sextet.clap  sextet
//!   share/man/man1/*.1  share/completions/*
//!   LICENSE-MIT  LICENSE-APACHE  THIRD-PARTY.html  (for Windows from Linux MINGW-*.txt)
//! ```

mod archive;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::bundle::{self, Build};
use crate::install::copy;
use crate::step::{root, run, target};
use crate::system::Workshop;
use crate::tools;

/// Instructions for installing without Cargo.
const README: &str = include_str!("README.txt");
/// Paragraph on engines for a command with TensorRT.
const WITH_TENSORRT: &str = "
The command computes on the CPU, and on NVIDIA GPUs: on RTX 30 and newer (driver 525 or newer) with nothing else. Older ones,
GTX 16 and RTX 20 (driver 580 or newer), need NVIDIA's library, which is not in here: press \"Set up the GPU\" in the plugin's
Settings, or run `sextet setup tensorrt`, once (92 MB, NVIDIA's licence).";
/// Paragraph on engines for a command without TensorRT.
const CPU_ONLY: &str = "
The command computes on the CPU, and on NVIDIA GPUs: on RTX 30 and newer (driver 525 or newer) with nothing else.";
/// Script that installs the files, for systems with a shell.
const INSTALL: &str = include_str!("install.sh");
/// Scripts that install and remove the files on Windows, by a double click.
const WINDOWS_SCRIPTS: [(&str, &str); 2] = [
    ("install.cmd", include_str!("install.cmd")),
    ("uninstall.cmd", include_str!("uninstall.cmd")),
];
/// Shells with completions in the archive, and the file names that they look for.
const COMPLETIONS: [(&str, &str); 4] = [
    ("bash", "sextet"),
    ("zsh", "_sextet"),
    ("fish", "sextet.fish"),
    ("powershell", "sextet.ps1"),
];

/// Builds everything with the options `build` and packs the archive.
///
/// # Errors
/// When a part of it cannot be made.
pub(crate) fn make(build: Build) -> Result<()> {
    let workshop = Workshop::open(build.system)?;
    let bundle = bundle::make(build, &workshop)?;
    let home = target()?.join("dist");
    let version = env!("CARGO_PKG_VERSION");

    // On systems with both variants, the name tells which one this is.
    let variant = if build.cpu_only && build.system.has_tensorrt() {
        "-without-tensorrt"
    } else {
        ""
    };

    let name = format!("sextet-{version}-{}{variant}", build.system.name());

    // Collect the files in an empty folder.
    let stage = home.join(&name);
    if stage.exists() {
        fs::remove_dir_all(&stage)
            .with_context(|| format!("cannot empty '{}'", stage.display()))?;
    }

    fs::create_dir_all(&stage)?;
    for from in bundle.parts() {
        copy(
            from,
            &stage.join(from.file_name().context("a bundle has a name")?),
        )?;
    }

    papers(&stage, version, build)?;
    share(&stage, build, &workshop)?;
    third_parties(&stage, build, &workshop)?;
    println!("\n==> archive {name}");

    let archive = archive::make(&stage, &name, build.system)?;
    println!("    {}", archive.display());
    Ok(())
}

/// Copies the licences and writes the instructions.
fn papers(stage: &Path, version: &str, build: Build) -> Result<()> {
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&root().join(licence), &stage.join(licence))?;
    }

    let engines = if build.has_tensorrt() {
        WITH_TENSORRT
    } else {
        CPU_ONLY
    };

    fs::write(
        stage.join("README.txt"),
        README
            .replace("{version}", version)
            .replace("{engines}", engines.trim()),
    )?;

    if build.system.is_windows() {
        for (name, script) in WINDOWS_SCRIPTS {
            // Its command interpreter loses its way in files with other ends of lines.
            let script = script.replace("\r\n", "\n").replace('\n', "\r\n");
            fs::write(stage.join(name), script)?;
        }
    } else {
        let script = stage.join("install.sh");
        fs::write(&script, INSTALL)?;
        archive::make_executable(&script)?;
    }

    Ok(())
}

/// Generates manual pages and completions with the command itself.
fn share(stage: &Path, build: Build, workshop: &Workshop) -> Result<()> {
    let command = stage.join(build.system.command());
    let man = stage.join("share/man/man1");
    workshop.output(&command, &["man", "--output", &text(&man)?])?;

    let completions = stage.join("share/completions");
    fs::create_dir_all(&completions)?;

    for (shell, file) in COMPLETIONS {
        fs::write(
            completions.join(file),
            workshop.output(&command, &["completions", shell])?,
        )?;
    }

    Ok(())
}

/// Collects the licences of everything that is linked in: of the packages from the packages
/// themselves, without network requests, and of what the compiler brings along.
fn third_parties(stage: &Path, build: Build, workshop: &Workshop) -> Result<()> {
    for (name, licence) in workshop.licences_of_compiler() {
        copy(Path::new(licence), &stage.join(name))?;
    }

    let about = tools::cargo_about()?;
    let template = text(&root().join("xtask/src/dist/about.hbs"))?;
    let config = text(&root().join("about.toml"))?;
    let place = text(&stage.join("THIRD-PARTY.html"))?;
    let target = workshop.target()?;

    // The tool reads packages of all systems before it leaves out those of others.
    run("cargo", &["fetch", "--locked"], &[])?;
    let graph = [
        "generate",
        "--workspace",
        "--frozen",
        "--fail",
        "--target",
        &target,
    ];

    let output = ["--config", &config, "--output-file", &place, &template];
    run(
        &about,
        &[&graph[..], build.features(), &output].concat(),
        &[],
    )
}

fn text(path: &Path) -> Result<String> {
    tools::text(path.to_owned())
}
