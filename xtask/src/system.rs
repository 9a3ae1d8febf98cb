//! The system that plugin, command and archive are made for: this one, or from Linux Windows, or
//! Linux on ARM64.

use std::env::consts;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::arm;
use crate::cross::Toolchain;
use crate::step::{borrowed, root, run, target};
use crate::tensorrt;
use crate::tools::host_target;
use crate::windows::{self, Windows};

/// A system to make things for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// The one that this runs on.
    This,
    /// Windows, x86-64, from Linux.
    Windows,
    /// Linux on ARM64, from Linux.
    Arm,
}

impl System {
    /// Returns the system of another target than this one's; `None` for those that nothing is made
    /// for.
    pub(crate) fn of_target(name: &str) -> Option<Self> {
        match name {
            windows::TARGET => Some(Self::Windows),
            arm::TARGET => Some(Self::Arm),
            _ => None,
        }
    }

    /// Whether it is Windows, be it this one or another.
    pub(crate) fn is_windows(self) -> bool {
        self == Self::Windows || cfg!(windows)
    }

    /// Returns the processor and the system, as archives are named after them.
    pub(crate) fn name(self) -> String {
        match self {
            Self::This => format!("{}-{}", consts::ARCH, consts::OS),
            Self::Windows => "x86_64-windows".to_owned(),
            Self::Arm => "aarch64-linux".to_owned(),
        }
    }

    /// Returns the file name of the command.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::This => sextet_protocol::COMMAND_FILE,
            Self::Windows => "sextet.exe",
            Self::Arm => "sextet",
        }
    }

    /// Whether its command contains TensorRT unless that is left out.
    pub(crate) fn has_tensorrt(self) -> bool {
        self == Self::This && tensorrt::is_shipped_for_this_system()
    }
}

/// Cargo for a system, and that system to run what Cargo has built.
pub(crate) enum Workshop {
    Here,
    Windows(Windows),
    Arm(Toolchain),
}

impl Workshop {
    /// Returns the workshop for `system`.
    ///
    /// # Errors
    /// What has to be installed to build for another system than this one.
    pub(crate) fn open(system: System) -> Result<Self> {
        Ok(match system {
            System::This => Self::Here,
            System::Windows => Self::Windows(Windows::start()?),
            System::Arm => Self::Arm(arm::toolchain()?),
        })
    }

    /// Returns the target's name.
    ///
    /// # Errors
    /// When there is no compiler.
    pub(crate) fn target(&self) -> Result<String> {
        match self {
            Self::Here => host_target(),
            Self::Windows(_) => Ok(windows::TARGET.to_owned()),
            Self::Arm(_) => Ok(arm::TARGET.to_owned()),
        }
    }

    /// Builds with the flags `more`, and with what is to be added to the environment.
    ///
    /// # Errors
    /// When something does not build.
    pub(crate) fn build(&self, more: &[&str], environment: &[(&str, String)]) -> Result<()> {
        match self {
            Self::Here => run(
                "cargo",
                &[&["build", "--locked"], more].concat(),
                &borrowed(environment),
            ),
            Self::Windows(windows) => windows.toolchain.cargo("build", more).map(drop),
            Self::Arm(toolchain) => toolchain.cargo("build", more).map(drop),
        }
    }

    /// Returns the folder that Cargo builds in with `profile`.
    ///
    /// # Errors
    /// When Cargo's metadata cannot be read.
    pub(crate) fn built(&self, profile: &str) -> Result<PathBuf> {
        let folder = match self {
            Self::Here => target()?,
            Self::Windows(windows) => windows.toolchain.folder().join(windows::TARGET),
            Self::Arm(toolchain) => toolchain.folder().join(arm::TARGET),
        };
        Ok(folder.join(if profile == "dev" { "debug" } else { profile }))
    }

    /// Bundles the library of `package`, as it was built with `profile`. Returns the folder of the
    /// bundles.
    ///
    /// # Errors
    /// When it was not built, or the bundles cannot be written.
    pub(crate) fn bundle(&self, package: &str, profile: &str) -> Result<PathBuf> {
        let mut arguments = Vec::new();
        // The bundler names the folder of what was built after the profile, except for this one.
        if profile != "dev" {
            arguments.extend(["--profile".to_owned(), profile.to_owned()]);
        }

        let toolchain = match self {
            Self::Here => None,
            Self::Windows(windows) => Some(&windows.toolchain),
            Self::Arm(toolchain) => Some(toolchain),
        };
        let folder = match toolchain {
            None => target()?,
            Some(toolchain) => {
                arguments.extend(["--target".to_owned(), self.target()?]);
                toolchain.folder()
            }
        };

        // A VST3 has room for the libraries of several systems: here each gets its own.
        let bundled = folder.join("bundled");
        if bundled.exists() {
            fs::remove_dir_all(&bundled)
                .with_context(|| format!("cannot empty '{}'", bundled.display()))?;
        }

        // The bundler reads its settings in the current folder.
        std::env::set_current_dir(root())?;
        nice_plug_xtask::bundle(&folder, package, &arguments, false)?;
        Ok(bundled)
    }

    /// Returns the output of `program`, which was built here.
    ///
    /// # Errors
    /// When it cannot be started or does not succeed.
    pub(crate) fn output(&self, program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = match self {
            Self::Here => Command::new(program),
            Self::Windows(windows) => windows.wine.run(program),
            Self::Arm(_) => arm::emulated(program),
        };
        let output = command.args(arguments).output();
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

    /// Checks that `files` ask for no library that their system lacks, where this machine has some.
    ///
    /// # Errors
    /// The libraries that they should not ask for.
    pub(crate) fn check_imports(&self, files: &[&Path]) -> Result<()> {
        match self {
            Self::Here | Self::Arm(_) => Ok(()),
            Self::Windows(_) => windows::check_imports(files),
        }
    }

    /// Returns the licences of what the compiler links in by itself, each with a name, where it is
    /// the compiler that asks for their being handed on.
    pub(crate) fn licences_of_compiler(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Here | Self::Arm(_) => &[],
            Self::Windows(_) => &windows::LICENCES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_arm_are_the_systems_that_things_are_made_for_from_another() {
        let cases = [
            ("x86_64-pc-windows-gnu", Some(System::Windows)),
            ("aarch64-unknown-linux-gnu", Some(System::Arm)),
            ("x86_64-pc-windows-msvc", None),
            ("aarch64-apple-darwin", None),
            ("", None),
        ];
        for (target, system) in cases {
            assert_eq!(System::of_target(target), system, "{target}");
        }

        assert!(System::Windows.is_windows() && !System::Windows.has_tensorrt());
        assert!(!System::Arm.has_tensorrt());
        assert_eq!(System::This.is_windows(), cfg!(windows));
    }
}
