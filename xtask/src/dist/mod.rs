//! `cargo xtask dist`: the archive that people download.
//!
//! ```text
//! target/dist/sextet-<version>-<processor>-<system>.tar.xz (.zip for Windows), and its SHA-256 beside it
//!   README.txt  install.sh (not for Windows)
//!   Sextet.vst3/  Sextet.clap  sextet
//!   share/man/man1/*.1  share/completions/*
//!   LICENSE-MIT  LICENSE-APACHE  THIRD-PARTY.html
//! ```

mod archive;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::bundle::{Bundle, COMMAND};
use crate::install::copy;
use crate::step::{root, run, target};
use crate::tools;

/// How to install it without Cargo.
const README: &str = include_str!("README.txt");
/// Does it, where there is a shell.
const INSTALL: &str = include_str!("install.sh");
/// Shells whose completions come along, and the names that they look for.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "sextet"), ("zsh", "_sextet"), ("fish", "sextet.fish")];

/// Makes the archive of `bundle`.
///
/// # Errors
/// When a part of it cannot be made.
pub(crate) fn make(bundle: &Bundle) -> Result<()> {
    let home = target()?.join("dist");
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("sextet-{version}-{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let stage = home.join(&name);
    if stage.exists() {
        fs::remove_dir_all(&stage).with_context(|| format!("cannot empty '{}'", stage.display()))?;
    }
    fs::create_dir_all(&stage)?;
    for from in [&bundle.vst3, &bundle.clap, &bundle.command] {
        copy(from, &stage.join(from.file_name().context("a bundle has a name")?))?;
    }
    papers(&stage, version)?;
    share(&stage)?;
    third_parties(&stage.join("THIRD-PARTY.html"))?;
    println!("\n==> archive {name}");
    let archive = archive::make(&stage, &name)?;
    println!("    {}", archive.display());
    Ok(())
}

/// What people read.
fn papers(stage: &Path, version: &str) -> Result<()> {
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&root().join(licence), &stage.join(licence))?;
    }
    fs::write(stage.join("README.txt"), README.replace("{version}", version))?;
    if !cfg!(windows) {
        let script = stage.join("install.sh");
        fs::write(&script, INSTALL)?;
        archive::make_executable(&script)?;
    }
    Ok(())
}

/// Manual pages and completions, by the command's own word.
fn share(stage: &Path) -> Result<()> {
    let command = stage.join(COMMAND);
    let man = stage.join("share/man/man1");
    output(&command, &["man", "--output", &text(&man)?])?;
    let completions = stage.join("share/completions");
    fs::create_dir_all(&completions)?;
    for (shell, file) in COMPLETIONS {
        fs::write(completions.join(file), output(&command, &["completions", shell])?)?;
    }
    Ok(())
}

/// The licences of everything that is linked in, for this system.
fn third_parties(place: &Path) -> Result<()> {
    let about = tools::cargo_about()?;
    let template = text(&root().join("xtask/src/dist/about.hbs"))?;
    let config = text(&root().join("about.toml"))?;
    let arguments = [
        "generate",
        "--workspace",
        "--locked",
        "--fail",
        "--config",
        &config,
        "--output-file",
        &text(place)?,
        &template,
    ];
    run(&about, &arguments, &[])
}

fn output(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot start '{}'", program.display()))?;
    if !output.status.success() {
        bail!("'{} {}' failed: {}", program.display(), arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

fn text(path: &Path) -> Result<String> {
    let path: PathBuf = path.to_owned();
    path.into_os_string().into_string().ok().context("the workspace's path is not valid Unicode; move it elsewhere")
}
