//! `cargo xtask bundle`: the plugin as hosts load it, with the command that it runs, which holds the bundled model.
//!
//! ```text
//! target/bundled/
//!   Sextet.vst3/Contents/x86_64-linux/{Sextet.so, sextet}
//!   Sextet.clap          a file; on macOS a bundle that holds the command too
//!   sextet               the command, for hosts that load the CLAP: it is looked for in the user's folder
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::step::{root, run, target};

/// Package of the plugin.
const PLUGIN: &str = "sextet-plugin";
/// Name of the bundles, as `bundler.toml` has it.
const NAME: &str = "Sextet";
/// File name of the command.
pub(crate) const COMMAND: &str = sextet_protocol::COMMAND_FILE;

/// What has been built.
pub(crate) struct Bundle {
    /// A folder.
    pub(crate) vst3: PathBuf,
    /// A file; on macOS a folder.
    pub(crate) clap: PathBuf,
    pub(crate) command: PathBuf,
}

/// Builds plugin and command with `profile` and puts them together.
///
/// # Errors
/// When something does not build, or cannot be copied.
pub(crate) fn make(profile: &str) -> Result<Bundle> {
    if !root().join("plugin/Cargo.toml").is_file() {
        bail!("this checkout has no plugin/: there is nothing to bundle");
    }
    let target = target()?;
    run("cargo", &["build", "--locked", "--package", "sextet-cli", "--profile", profile], &[])?;
    println!("\n==> bundle {PLUGIN}");
    let arguments = ["bundle", PLUGIN, "--locked", "--profile", profile];
    // It names its output folder after the profile, but for this one.
    let arguments = if profile == "dev" { &arguments[..3] } else { &arguments[..] };
    nice_plug_xtask::main_with_args("cargo xtask", arguments.iter().map(|&argument| argument.to_owned()))?;
    let built = target.join(if profile == "dev" { "debug" } else { profile }).join(COMMAND);
    let bundled = target.join("bundled");
    let bundle = Bundle {
        vst3: bundled.join(format!("{NAME}.vst3")),
        clap: bundled.join(format!("{NAME}.clap")),
        command: bundled.join(COMMAND),
    };
    put(&built, &bundle.command)?;
    put(&built, &library_folder(&bundle.vst3)?.join(COMMAND))?;
    if bundle.clap.is_dir() {
        put(&built, &library_folder(&bundle.clap)?.join(COMMAND))?;
    }
    sign(&[&bundle.vst3, &bundle.clap])?;
    for path in [&bundle.vst3, &bundle.clap, &bundle.command] {
        println!("    {}", path.display());
    }
    Ok(bundle)
}

/// The folder of a bundle that holds the plugin's library; its name tells system and processor.
fn library_folder(bundle: &Path) -> Result<PathBuf> {
    let contents = bundle.join("Contents");
    let folders = fs::read_dir(&contents).with_context(|| format!("there is no bundle '{}'", bundle.display()))?;
    let library = |folder: &PathBuf| {
        let mut files = fs::read_dir(folder).into_iter().flatten().flatten();
        files.any(|file| file.path().file_stem().is_some_and(|stem| stem == NAME))
    };
    let mut folders = folders.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    folders.find(library).with_context(|| format!("'{}' holds no library {NAME}", contents.display()))
}

/// Copies a file over whatever is there. A program that runs keeps its own.
fn put(from: &Path, to: &Path) -> Result<()> {
    let _ = fs::remove_file(to);
    fs::copy(from, to).with_context(|| format!("cannot copy '{}' to '{}'", from.display(), to.display()))?;
    Ok(())
}

/// macOS loads no bundle whose contents changed after it was signed.
fn sign(bundles: &[&Path]) -> Result<()> {
    for bundle in bundles.iter().filter(|_| cfg!(target_os = "macos")) {
        run("codesign", &["--force", "--deep", "--sign", "-", &bundle.display().to_string()], &[])?;
    }
    Ok(())
}
