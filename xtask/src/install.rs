//! `cargo xtask install` and `uninstall`: put the plugin where hosts look for it, for this user
//! alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sextet_fs::{AtomicDir, AtomicFile};
use sextet_protocol::Folders;

use crate::bundle::{Bundle, bytes};

/// The installed paths.
struct Places {
    vst3: PathBuf,
    clap: PathBuf,
    command: PathBuf,
}

impl Places {
    /// Returns this user's paths.
    fn of_user() -> Result<Self> {
        let home = dirs::home_dir()
            .context("this system does not say where your home folder is; set HOME");
        let home = if cfg!(windows) {
            dirs::data_local_dir().context("this system has no %LOCALAPPDATA%")
        } else {
            home
        };

        let (vst3, clap) = plugin_folders(std::env::consts::OS, &home?);
        let command = Folders::of_user()?.installed_command();
        Ok(Self {
            vst3: vst3.join("Sextet.vst3"),
            clap: clap.join("Sextet.clap"),
            command,
        })
    }

    fn all(&self) -> [&Path; 3] {
        [&self.vst3, &self.clap, &self.command]
    }
}

/// Returns the folders that hosts on the system `os` search for VST3s and CLAPs of one user, as the
/// two formats prescribe. `home` is the user's own folder, on Windows `%LOCALAPPDATA%`.
fn plugin_folders(os: &str, home: &Path) -> (PathBuf, PathBuf) {
    let (vst3, clap) = match os {
        "windows" => (
            ["Programs", "Common", "VST3"],
            ["Programs", "Common", "CLAP"],
        ),
        "macos" => (
            ["Library", "Audio/Plug-Ins", "VST3"],
            ["Library", "Audio/Plug-Ins", "CLAP"],
        ),
        _ => return (home.join(".vst3"), home.join(".clap")),
    };
    let below = |names: [&str; 3]| {
        names
            .iter()
            .fold(home.to_owned(), |path, name| path.join(name))
    };
    (below(vst3), below(clap))
}

/// Installs `bundle` and replaces an older one.
///
/// # Errors
/// When a place cannot be written to.
pub(crate) fn install(bundle: &Bundle) -> Result<()> {
    let places = Places::of_user()?;
    for (from, to) in bundle.parts().into_iter().zip(places.all()) {
        replace(from, to)?;
        println!(
            "installed {:>6.1} MB  {}",
            bytes(to)? as f64 / 1e6,
            to.display()
        );
    }

    println!("\nhave your host search for new plugins; `cargo xtask uninstall` removes them");
    if let Some(folder) = places.command.parent()
        && !is_on_path(folder)
    {
        println!(
            "for the command in a terminal, put its folder on your PATH: {}",
            folder.display()
        );
    }
    Ok(())
}

/// Returns whether programs are looked for in `folder`.
fn is_on_path(folder: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|on_path| on_path == folder)
}

/// Removes the files that [`install`] has installed. Captures, the stem cache and fetched models
/// stay.
///
/// # Errors
/// When an existing file cannot be removed.
pub(crate) fn uninstall() -> Result<()> {
    for place in Places::of_user()?.all() {
        if place.exists() {
            remove(place).with_context(|| {
                format!(
                    "cannot remove '{}'; close hosts that use it",
                    place.display()
                )
            })?;
            println!("removed {}", place.display());
        } else {
            println!("not there: {}", place.display());
        }
    }

    println!(
        "captures and kept stems stay: `sextet cache clear` and the folders that `sextet doctor` names"
    );
    Ok(())
}

/// Copies `from` to `to`, so that hosts find either the old one or the new one, complete.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let cannot_write = || format!("cannot write '{}'; close hosts that use it", to.display());
    let folder = to.parent().context("a place has a folder")?;
    fs::create_dir_all(folder).with_context(cannot_write)?;

    if from.is_dir() {
        let new = AtomicDir::beside(to).with_context(cannot_write)?;
        copy(from, new.path())?;
        return new.commit(to).with_context(cannot_write);
    }

    // Moved out of the way first: Windows renames a library that a host has loaded, but replaces
    // none.
    let new = AtomicFile::beside(to).with_context(cannot_write)?;
    copy(from, new.path())?;
    sextet_fs::commit_all(vec![(new, to.to_owned())]).with_context(cannot_write)
}

/// Copies a file, or a folder with all its content.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }

    fs::copy(from, to)
        .with_context(|| format!("cannot copy '{}' to '{}'", from.display(), to.display()))?;
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::process::Command;

    use super::*;

    /// The script of the archive.
    #[cfg(unix)]
    const SCRIPT: &str = include_str!("dist/install.sh");

    #[test]
    fn each_system_has_its_folders_of_plugins() {
        let cases = [
            ("linux", ".vst3", ".clap"),
            (
                "macos",
                "Library/Audio/Plug-Ins/VST3",
                "Library/Audio/Plug-Ins/CLAP",
            ),
            ("windows", "Programs/Common/VST3", "Programs/Common/CLAP"),
        ];
        for (os, vst3, clap) in cases {
            let home = Path::new("home");
            let expected = (home.join(vst3), home.join(clap));
            assert_eq!(plugin_folders(os, home), expected, "{os}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_archives_script_installs_where_this_chore_does() {
        let systems = [
            ("Linux", "linux", ".local/share/sextet/bin/sextet"),
            (
                "Darwin",
                "macos",
                "Library/Application Support/sextet/bin/sextet",
            ),
        ];
        sextet_cases::each_case(systems, |(uname, os, command)| {
            let folder = tempfile::tempdir().unwrap();
            let (archive, home) = (folder.path().join("archive"), folder.path().join("a home"));
            fs::create_dir_all(archive.join("Sextet.vst3/Contents")).unwrap();
            for name in ["Sextet.vst3/Contents/PkgInfo", "Sextet.clap", "sextet"] {
                fs::write(archive.join(name), name).unwrap();
            }

            // The system is what `uname` says it is. The second time replaces the first.
            let script = format!("uname() {{ echo {uname}; }}\n{SCRIPT}");
            fs::write(archive.join("install.sh"), script).unwrap();
            for _ in 0..2 {
                let mut shell = Command::new("sh");
                shell.arg(archive.join("install.sh")).env("HOME", &home);
                shell.env_remove("XDG_DATA_HOME").env_remove("SEXTET_DATA");
                assert!(shell.output().unwrap().status.success());
            }

            let (vst3, clap) = plugin_folders(os, &home);
            for (path, content) in [
                (
                    vst3.join("Sextet.vst3/Contents/PkgInfo"),
                    "Sextet.vst3/Contents/PkgInfo",
                ),
                (clap.join("Sextet.clap"), "Sextet.clap"),
                (home.join(command), "sextet"),
            ] {
                assert_eq!(fs::read_to_string(&path).unwrap(), content);
                let beside = fs::read_dir(path.parent().unwrap()).unwrap();
                assert_eq!(beside.count(), 1, "{}", path.display());
            }
        });
    }

    #[test]
    fn a_folder_is_replaced_as_a_whole() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (
            home.path().join("new.vst3"),
            home.path().join("there/Sextet.vst3"),
        );
        fs::create_dir_all(from.join("Contents")).unwrap();
        fs::write(from.join("Contents/a"), "new").unwrap();
        fs::create_dir_all(&to).unwrap();

        fs::write(to.join("left-over"), "old").unwrap();
        replace(&from, &to).unwrap();

        assert_eq!(fs::read_to_string(to.join("Contents/a")).unwrap(), "new");
        assert!(!to.join("left-over").exists());
        assert_eq!(fs::read_dir(home.path().join("there")).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_copied_leaves_what_was_there() {
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("sextet");
        fs::write(&to, "old").unwrap();
        assert!(replace(&home.path().join("missing"), &to).is_err());
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
