//! Where the `sextet` command is.

use std::env;
use std::path::{Path, PathBuf};

use sextet_protocol::{COMMAND_FILE, COMMAND_VARIABLE, Folders};

/// Folders between the plugin's library and a bundle's root:
/// `Sextet.vst3/Contents/x86_64-linux/Sextet.so`.
const BUNDLE_DEPTH: usize = 3;

/// The command, and whether it was looked for everywhere in vain.
///
/// The variable [`COMMAND_VARIABLE`] names it whatever else there is. Else it is looked for beside
/// the plugin's library and in its bundle, in the user's folder and on `PATH`.
pub(crate) fn find(folders: &Folders) -> Option<PathBuf> {
    if let Some(named) = env::var_os(COMMAND_VARIABLE).filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }

    let library = library_path();
    let beside = library.iter().flat_map(|library| around(library));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path)
        .map(|folder| folder.join(COMMAND_FILE))
        .collect::<Vec<_>>();

    beside
        .chain([folders.installed_command()])
        .chain(on_path)
        .find(|path| path.is_file())
}

/// Places in and around a bundle where the command may lie.
fn around(library: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for folder in library.ancestors().skip(1).take(BUNDLE_DEPTH) {
        places.push(folder.join(COMMAND_FILE));
        places.push(folder.join("Resources").join(COMMAND_FILE));
        places.push(folder.join("MacOS").join(COMMAND_FILE));
    }
    places
}

/// The file that this code was loaded from.
fn library_path() -> Option<PathBuf> {
    process_path::get_dylib_path().or_else(|| env::current_exe().ok())
}
