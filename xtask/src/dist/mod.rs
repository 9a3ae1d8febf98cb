//! `cargo xtask dist`: builds the archive that users download.
//!
//! ```text
//! target/dist/sextet-<version>-<processor>-<system>.tar.xz (.zip for Windows),
//! and its SHA-256 beside it
//!   README.txt  install.sh (for Windows install.cmd, uninstall.cmd)
//!   Sextet.vst3/  Sextet.clap  sextet
//!   share/man/man1/*.1  share/completions/*
//!   LICENSE-MIT  LICENSE-APACHE  THIRD-PARTY.html
//! ```

mod archive;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::bundle::{self, Build, COMMAND};
use crate::install::copy;
use crate::step::{root, run, target};
use crate::{tensorrt, tools};

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
    let bundle = bundle::make(build)?;
    let home = target()?.join("dist");
    let version = env!("CARGO_PKG_VERSION");

    // On systems with both variants, the name tells which one this is.
    let variant = if build.cpu_only && tensorrt::is_shipped_for_this_system() {
        "-without-tensorrt"
    } else {
        ""
    };

    let name = format!(
        "sextet-{version}-{}-{}{variant}",
        std::env::consts::ARCH,
        std::env::consts::OS
    );

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
    share(&stage)?;
    third_parties(&stage.join("THIRD-PARTY.html"), build)?;
    println!("\n==> archive {name}");

    let archive = archive::make(&stage, &name)?;
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

    if cfg!(windows) {
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
fn share(stage: &Path) -> Result<()> {
    let command = stage.join(COMMAND);
    let man = stage.join("share/man/man1");
    output(&command, &["man", "--output", &text(&man)?])?;

    let completions = stage.join("share/completions");
    fs::create_dir_all(&completions)?;

    for (shell, file) in COMPLETIONS {
        fs::write(
            completions.join(file),
            output(&command, &["completions", shell])?,
        )?;
    }

    Ok(())
}

/// Collects the licences of everything that is linked in on this system, from the packages
/// themselves, without network requests.
fn third_parties(place: &Path, build: Build) -> Result<()> {
    let about = tools::cargo_about()?;
    let template = text(&root().join("xtask/src/dist/about.hbs"))?;
    let config = text(&root().join("about.toml"))?;
    let (place, target) = (text(place)?, tools::host_target()?);

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

fn output(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot start '{}'", program.display()))?;
    if !output.status.success() {
        bail!(
            "'{} {}' failed: {}",
            program.display(),
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    Ok(output.stdout)
}

fn text(path: &Path) -> Result<String> {
    let path: PathBuf = path.to_owned();
    path.into_os_string()
        .into_string()
        .ok()
        .context("the workspace's path is not valid Unicode; move it elsewhere")
}
