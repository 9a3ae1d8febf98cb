//! Wine, with a folder of its own under `target/` for its drive C: and its registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::screen::Screen;
use crate::step::{root, run, works};
use crate::tools::text;

/// Wine for programs of 64 bits: Debian's package `wine64` has it nowhere on `PATH`.
const PROGRAMS: [&str; 3] = ["/usr/lib/wine/wine64", "wine64", "wine"];

/// Wine, on a screen of its own.
pub(crate) struct Wine {
    program: &'static str,
    prefix: PathBuf,
    screen: Screen,
}

impl Wine {
    /// Returns the program that runs Wine, if it is installed.
    pub(super) fn program() -> Option<&'static str> {
        PROGRAMS
            .into_iter()
            .find(|program| works(program, &["--version"]))
    }

    /// Returns Wine. On first use its drive C: is made in `folder`, with the
    /// library that Wine 8 lacks, which `compiler` builds.
    ///
    /// # Errors
    /// When Wine does not start, or the library does not build.
    pub(super) fn start(folder: &Path, compiler: &str) -> Result<Self> {
        let wine = Self {
            program: Self::program().context("Wine is not installed")?,
            prefix: folder.join("wine"),
            screen: Screen::start()?,
        };

        let drive = wine.drive();
        if !drive.join("windows/system32").is_dir() {
            println!("\n==> Wine's drive C: in {}", wine.prefix.display());
            fs::create_dir_all(&wine.prefix)?;
            let status = wine.run("wineboot").arg("--init").status()?;
            if !status.success() {
                bail!("{} wineboot --init failed ({status})", wine.program);
            }
        }

        let library = drive.join("windows/system32/bcryptprimitives.dll");
        if !library.exists() {
            let source = text(root().join("xtask/src/windows/random.c"))?;
            let library = text(library)?;
            let arguments = ["-shared", "-O2", "-o", &library, &source, "-ladvapi32"];
            run(compiler, &arguments, &[])?;
        }

        // Tests know the workspace by its path here, without a drive: it has to lead there on C:,
        // where they have their temporary folders, as it does on Z:.
        #[cfg(unix)]
        {
            let same = drive.join(root().strip_prefix("/")?);
            if !same.exists() {
                fs::create_dir_all(same.parent().context("a workspace has a folder")?)?;
                std::os::unix::fs::symlink(root(), same)?;
            }
        }
        Ok(wine)
    }

    /// Returns the folder that is Wine's drive C:.
    fn drive(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    /// Returns a command that runs `program` under Wine. Of the variables that are meant for tests
    /// on this system it sees none.
    pub(crate) fn run(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg(program)
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all")
            // Neither .NET nor a browser is asked for.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env("DISPLAY", &self.screen.name)
            .env_remove("WAYLAND_DISPLAY");

        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SEXTET_") {
                command.env_remove(name);
            }
        }
        command
    }
}
