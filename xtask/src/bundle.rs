//! `cargo xtask bundle`: builds the plugin as hosts load it, with the command that it runs. The
//! command contains the bundled model, the CUDA engine and, on the systems for which it is shipped,
//! TensorRT.
//!
//! ```text
//! target/bundled/
//!   Sextet.vst3/Contents/x86_64-linux/{Sextet.so, sextet}
//!   Sextet.clap          a file; on macOS a bundle that holds the command too, which is in
//!                        Contents/Helpers of such bundles
//!   sextet               the command, for hosts that load the CLAP, which looks for it in the
//!                        user's folder
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::step::{root, run};
use crate::system::{System, Workshop};
use crate::{macos, tensorrt};

/// Package of the command.
const COMMAND: &str = "sextet-cli";
/// Package of the plugin.
const PLUGIN: &str = "sextet-plugin";
/// Name of the bundles, as in `bundler.toml`.
const NAME: &str = "Sextet";

/// Options of a build.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Build<'a> {
    pub(crate) system: System,
    /// Cargo's profile.
    pub(crate) profile: &'a str,
    /// Whether the command is built without TensorRT, whatever the system.
    pub(crate) cpu_only: bool,
}

impl Build<'_> {
    /// Whether the command contains TensorRT.
    pub(crate) fn has_tensorrt(self) -> bool {
        !self.cpu_only && self.system.has_tensorrt()
    }

    /// Returns Cargo's flags for the features of all linked packages.
    pub(crate) fn features(self) -> &'static [&'static str] {
        if self.has_tensorrt() {
            &["--features", "sextet-cli/tensorrt"]
        } else {
            &[]
        }
    }
}

/// The results of a build.
pub(crate) struct Bundle {
    /// A folder.
    pub(crate) vst3: PathBuf,
    /// A file; on macOS a folder.
    pub(crate) clap: PathBuf,
    pub(crate) command: PathBuf,
}

/// Builds plugin and command in `workshop` with the options `build` and puts them together.
///
/// # Errors
/// When something does not build, cannot be copied, or contains another engine than it should.
pub(crate) fn make(build: Build, workshop: &Workshop) -> Result<Bundle> {
    if !root().join("plugin/Cargo.toml").is_file() {
        bail!("this checkout has no plugin/: there is nothing to bundle");
    }

    let built = build_both(build, workshop)?;
    println!("\n==> bundle {PLUGIN}");
    let bundled = workshop.bundle(PLUGIN, build.profile)?;

    let command = build.system.command();
    let bundle = Bundle {
        vst3: bundled.join(format!("{NAME}.vst3")),
        clap: bundled.join(format!("{NAME}.clap")),
        command: bundled.join(command),
    };

    // Put the command beside the bundles and into those that are folders.
    put(&built, &bundle.command)?;
    complete(&bundle.vst3, &built)?;
    if bundle.clap.is_dir() {
        complete(&bundle.clap, &built)?;
    }

    sign(&[&bundle.vst3, &bundle.clap])?;
    workshop.check_imports(&[&bundle.command, &bundle.clap])?;

    for path in bundle.parts() {
        println!(
            "    {:>6.1} MB  {}",
            bytes(path)? as f64 / 1e6,
            path.display()
        );
    }

    println!(
        "    engines of the command: {}",
        engines(&bundle.command, workshop)?.join(", ")
    );
    Ok(bundle)
}

impl Bundle {
    /// Returns all parts that are installed.
    pub(crate) fn parts(&self) -> [&Path; 3] {
        [&self.vst3, &self.clap, &self.command]
    }
}

/// Puts the command `built` into a bundle that has its library. One of macOS gets a folder for it,
/// and is told whose it is.
///
/// # Errors
/// When the bundle has no library, or cannot be written to.
pub(crate) fn complete(bundle: &Path, built: &Path) -> Result<()> {
    let name = built.file_name().context("a command has a name")?;
    let library = library_folder(bundle)?;
    if !macos::bundle::is_macos(&library) {
        return put(built, &library.join(name));
    }

    let folder = macos::bundle::command_folder(bundle);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make '{}'", folder.display()))?;
    put(built, &folder.join(name))?;
    macos::bundle::describe(bundle)
}

/// Builds the command and the plugin's library, in one go: with a choice of features for each, half
/// of what they share would be built twice. Returns the command's path.
fn build_both(build: Build, workshop: &Workshop) -> Result<PathBuf> {
    let environment = if build.has_tensorrt() {
        tensorrt::libclang()?
    } else {
        Vec::new()
    };

    let both = ["--package", COMMAND, "--package", PLUGIN];
    let what = ["--lib", "--bins", "--profile", build.profile];
    workshop.build(&[&both[..], &what, build.features()].concat(), &environment)?;

    let built = workshop.built(build.profile)?.join(build.system.command());
    let engines = engines(&built, workshop)?;
    let has_tensorrt = engines.iter().any(|engine| engine == "tensorrt");
    if has_tensorrt != build.has_tensorrt() {
        bail!(
            "'{}' was built with other engines than it should have; is another build going on?",
            built.display()
        );
    }

    Ok(built)
}

/// Returns the engines that `command` reports as built in.
fn engines(command: &Path, workshop: &Workshop) -> Result<Vec<String>> {
    let findings = workshop.output(command, &["doctor", "--json"])?;
    let findings: serde_json::Value = serde_json::from_slice(&findings)?;
    let engines = findings["engines"]
        .as_array()
        .context("the command's doctor names no engines")?;

    let built_in = engines.iter().filter(|engine| engine["built_in"] == true);
    Ok(built_in
        .filter_map(|engine| engine["name"].as_str().map(str::to_owned))
        .collect())
}

/// Returns the bytes of a file, or of all files in a folder.
pub(crate) fn bytes(path: &Path) -> Result<u64> {
    let found = fs::metadata(path).with_context(|| format!("cannot read '{}'", path.display()))?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    fs::read_dir(path)?.map(|entry| bytes(&entry?.path())).sum()
}

/// Returns the folder of a bundle that holds the plugin's library. Its name tells system and
/// processor.
fn library_folder(bundle: &Path) -> Result<PathBuf> {
    let contents = bundle.join("Contents");
    let folders = fs::read_dir(&contents)
        .with_context(|| format!("there is no bundle '{}'", bundle.display()))?;
    let library = |folder: &PathBuf| {
        let mut files = fs::read_dir(folder).into_iter().flatten().flatten();
        files.any(|file| file.path().file_stem().is_some_and(|stem| stem == NAME))
    };

    let mut folders = folders
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    folders
        .find(library)
        .with_context(|| format!("'{}' holds no library {NAME}", contents.display()))
}

/// Copies a file to `to`, replacing an older one. A running program keeps its own copy.
fn put(from: &Path, to: &Path) -> Result<()> {
    let _ = fs::remove_file(to);
    fs::copy(from, to)
        .with_context(|| format!("cannot copy '{}' to '{}'", from.display(), to.display()))?;
    Ok(())
}

/// Signs the bundles. macOS loads no bundle whose contents changed after it was signed.
fn sign(bundles: &[&Path]) -> Result<()> {
    for bundle in bundles.iter().filter(|_| cfg!(target_os = "macos")) {
        run(
            "codesign",
            &[
                "--force",
                "--deep",
                "--sign",
                "-",
                &bundle.display().to_string(),
            ],
            &[],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_folder_is_found_on_every_system() {
        let layouts = [
            ("x86_64-linux", "Sextet.so"),
            ("x86_64-win", "Sextet.vst3"),
            ("MacOS", "Sextet"),
        ];
        for (folder, library) in layouts {
            let home = tempfile::tempdir().unwrap();
            let bundle = home.path().join("Sextet.vst3");
            let inner = bundle.join("Contents").join(folder);
            fs::create_dir_all(&inner).unwrap();
            fs::create_dir_all(bundle.join("Contents/Resources")).unwrap();
            assert!(library_folder(&bundle).is_err(), "{folder} is empty");

            fs::write(inner.join(library), "").unwrap();
            assert_eq!(library_folder(&bundle).unwrap(), inner);
        }
    }
}
