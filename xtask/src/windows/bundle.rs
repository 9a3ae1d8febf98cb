//! Plugin and command for Windows, built elsewhere, and the archive of them, tried under Wine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use cargo_metadata::Artifact;

use super::wine::Wine;
use super::{CC, imports, toolchain};
use crate::bundle::{Build, check_engines, put};

/// File name of the command.
const COMMAND: &str = "sextet.exe";

/// The results of a build.
pub(crate) struct Bundle {
    /// The VST3 bundle, the CLAP and the command.
    pub(crate) parts: [PathBuf; 3],
    pub(crate) wine: Wine,
}

impl Bundle {
    /// Builds plugin and command with the options `build` and puts them together.
    ///
    /// # Errors
    /// When something is not installed, does not build, or contains another engine than it should.
    pub(crate) fn make(build: Build) -> Result<Self> {
        let toolchain = toolchain()?;
        let what = "--package sextet-cli --package sextet-plugin --bin sextet --lib";
        let what: Vec<_> = what
            .split(' ')
            .chain(["--profile", build.profile])
            .collect();
        let built = toolchain.cargo("build", &[&what, build.features()].concat())?;
        imports::check(&built)?;

        let wine = Wine::start(&toolchain.folder(), CC)?;
        let home = toolchain.folder().join("bundled");
        let vst3 = home.join("Sextet.vst3");
        let parts = [vst3.clone(), home.join("Sextet.clap"), home.join(COMMAND)];

        let inner = vst3.join("Contents").join("x86_64-win");
        fs::create_dir_all(&inner)?;
        let (command, library) = (file(&built, "exe")?, file(&built, "dll")?);
        put(&library, &inner.join("Sextet.vst3"))?;
        put(&command, &inner.join(COMMAND))?;
        put(&library, &parts[1])?;
        put(&command, &parts[2])?;

        check_engines(&mut wine.run(&parts[2]), build)?;
        Ok(Self { parts, wine })
    }

    /// Unpacks `archive` on Wine's drive C:, installs what is in it, runs what was installed, and
    /// removes it again.
    ///
    /// # Errors
    /// When a step of it fails, or leaves something else than it should.
    pub(crate) fn try_out(&self, archive: &Path) -> Result<()> {
        println!("\n==> the archive under Wine");
        let name = archive.file_stem().context("an archive has a name")?;
        let drive = self.wine.drive();

        // Whoever has downloaded it may have a folder like this.
        let folder = drive.join("Müller's downloads (new)");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        zip::ZipArchive::new(File::open(archive)?)?.extract(&folder)?;
        let unpacked = folder.join(name);

        self.script(&unpacked, "install.cmd")?;
        let local = self.wine.local_folder()?;
        let places = [
            "Programs/Common/VST3/Sextet.vst3/Contents/x86_64-win/Sextet.vst3",
            "Programs/Common/VST3/Sextet.vst3/Contents/x86_64-win/sextet.exe",
            "Programs/Common/CLAP/Sextet.clap",
            "sextet/bin/sextet.exe",
        ];
        for place in places.map(|place| local.join(place)) {
            ensure!(
                place.is_file(),
                "install.cmd has not made '{}'",
                place.display()
            );
        }

        self.separate(&local.join(places[3]))?;

        self.script(&unpacked, "uninstall.cmd")?;
        for place in places.map(|place| local.join(place)) {
            ensure!(
                !place.exists(),
                "uninstall.cmd has left '{}'",
                place.display()
            );
        }
        println!("    installed, run and removed");
        fs::remove_dir_all(&folder)?;
        Ok(())
    }

    /// Runs a script of the folder `unpacked`, as a double click does.
    fn script(&self, unpacked: &Path, name: &str) -> Result<()> {
        let mut command = self.wine.run("cmd");
        command.args(["/c", name]).current_dir(unpacked);
        // It waits for a key.
        let output = command.stdin(std::process::Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            bail!("{name} failed ({}): {said}", output.status);
        }
        Ok(())
    }

    /// Has the installed command separate the sample song.
    fn separate(&self, command: &Path) -> Result<()> {
        let stems = self.wine.drive().join("stems");
        if stems.exists() {
            fs::remove_dir_all(&stems)?;
        }
        let mut separate = self.wine.run(command);
        separate
            .args(["separate", "samples/six-of-one.flac", "-o", "C:\\stems"])
            .current_dir(crate::step::root());
        ensure!(separate.status()?.success(), "the installed command failed");

        let files = fs::read_dir(stems.join("six-of-one"))?.flatten();
        let count = files.filter(|file| file.path().extension().is_some_and(|end| end == "wav"));
        let count = count.count();
        ensure!(count == 6, "expected six stems, found {count}");
        Ok(())
    }
}

/// Returns the file among `built` that is a program (`exe`) or a library (`dll`) of ours.
fn file(built: &[Artifact], extension: &str) -> Result<PathBuf> {
    let ours = built.iter().filter(|artifact| {
        artifact.target.is_cdylib() || artifact.target.is_bin() && artifact.target.name == "sextet"
    });
    let mut files = ours.flat_map(|artifact| &artifact.filenames);
    let file = files.find(|file| file.extension() == Some(extension));
    Ok(file
        .with_context(|| format!("no .{extension} was built"))?
        .into())
}
