//! The search for the `sextet` command, and the folders that it works on.

use std::env;
use std::path::{Path, PathBuf};

use sextet_protocol::{COMMAND_FILE, COMMAND_VARIABLE, Folders};

/// Number of folders between the plugin's library and a bundle's root:
/// `Sextet.vst3/Contents/x86_64-linux/Sextet.so`.
const BUNDLE_DEPTH: usize = 3;

/// The folders that workers use, and the command that they run.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    folders: Folders,
    /// Command that is run without a search.
    command: Option<PathBuf>,
}

impl Launcher {
    /// Returns a launcher of the command that is found.
    pub(crate) fn new(folders: Folders) -> Self {
        Self {
            folders,
            command: None,
        }
    }

    /// Returns a launcher of this command.
    #[cfg(test)]
    pub(crate) fn with_command(folders: Folders, command: PathBuf) -> Self {
        Self {
            folders,
            command: Some(command),
        }
    }

    pub(crate) fn folders(&self) -> &Folders {
        &self.folders
    }

    /// Returns the command that would be run now; `None` if there is none.
    pub(super) fn command(&self) -> Option<PathBuf> {
        self.command.clone().or_else(|| find(&self.folders))
    }
}

/// Finds the command; `None` if it is in none of the places.
///
/// The variable [`COMMAND_VARIABLE`] names it and overrides all else, without a check. Otherwise it
/// is searched for beside the plugin's library and in its bundle, in the user's folder and on
/// `PATH`.
fn find(folders: &Folders) -> Option<PathBuf> {
    if let Some(named) = env::var_os(COMMAND_VARIABLE).filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }

    let library = library_path();
    let beside = library.iter().flat_map(|library| around(library));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path)
        .map(|folder| folder.join(COMMAND_FILE))
        .collect::<Vec<_>>();

    let installed = library.as_deref().and_then(installed_beside);
    beside
        .chain([folders.installed_command()])
        .chain(installed)
        .chain(on_path)
        .find(|path| path.is_file())
}

/// Returns the places in and around a bundle where the command may be. `Helpers` is macOS's folder
/// for programs.
///
/// The library itself is none of them: `Contents/MacOS` has it as `Sextet`, and a disk that does
/// not tell capital letters from small ones, as those of macOS, finds it by the command's name.
fn around(library: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for folder in library.ancestors().skip(1).take(BUNDLE_DEPTH) {
        for inner in ["", "Helpers", "Resources", "MacOS"] {
            places.push(folder.join(inner).join(COMMAND_FILE));
        }
    }
    places.retain(|place| !place.as_os_str().eq_ignore_ascii_case(library.as_os_str()));
    places
}

/// Returns the path at which an installer puts the command of a plugin that is in a user's
/// `~/.clap` or `~/.vst3`. A host in a sandbox, such as Flatpak's, moves the data folder, and
/// perhaps the home folder, but loads the plugin from where it was installed.
fn installed_beside(library: &Path) -> Option<PathBuf> {
    let is_plugins = |folder: &&Path| folder.ends_with(".clap") || folder.ends_with(".vst3");
    let plugins = library.ancestors().skip(1).find(is_plugins)?;
    let data = plugins.parent()?.join(".local").join("share");
    Some(data.join("sextet").join("bin").join(COMMAND_FILE))
}

/// Returns the path of the file that this code was loaded from.
fn library_path() -> Option<PathBuf> {
    process_path::get_dylib_path().or_else(|| env::current_exe().ok())
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn the_command_is_looked_for_where_each_system_has_it_and_is_never_the_library() {
        let bundles = [
            (
                "Sextet.vst3/Contents/x86_64-linux/Sextet.so",
                "Sextet.vst3/Contents/x86_64-linux",
            ),
            (
                "Sextet.vst3/Contents/aarch64-linux/Sextet.so",
                "Sextet.vst3/Contents/aarch64-linux",
            ),
            (
                "Sextet.vst3/Contents/x86_64-win/Sextet.vst3",
                "Sextet.vst3/Contents/x86_64-win",
            ),
            (
                "Sextet.vst3/Contents/MacOS/Sextet",
                "Sextet.vst3/Contents/Helpers",
            ),
            (
                "Sextet.clap/Contents/MacOS/Sextet",
                "Sextet.clap/Contents/Helpers",
            ),
        ];
        each_case(bundles, |(library, folder)| {
            let home = Path::new("folder");
            let library = home.join(library);
            let places = around(&library);
            assert!(
                places.contains(&home.join(folder).join(COMMAND_FILE)),
                "{places:?}"
            );

            let of_library = library.to_str().unwrap().to_lowercase();
            for place in &places {
                assert_ne!(place.to_str().unwrap().to_lowercase(), of_library);
            }
        });
    }

    #[test]
    fn the_command_is_where_the_plugin_was_installed() {
        let cases = [
            ("/home/x/.clap/Sextet.clap", Some("/home/x")),
            (
                "/home/x/.vst3/Sextet.vst3/Contents/x86_64-linux/Sextet.so",
                Some("/home/x"),
            ),
            ("/home/x/.clap/audio/Sextet.clap", Some("/home/x")),
            ("/usr/lib/clap/Sextet.clap", None),
            ("Sextet.so", None),
        ];
        each_case(cases, |(library, home)| {
            let place = |home| {
                Path::new(home)
                    .join(".local/share/sextet/bin")
                    .join(COMMAND_FILE)
            };
            assert_eq!(installed_beside(Path::new(library)), home.map(place));
        });
    }
}
