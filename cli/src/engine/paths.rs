//! Files of TensorRT: its libraries, and the engines that were built.

use std::env;
use std::path::PathBuf;

use anyhow::Result;
use sextet_protocol::Folders;

use crate::config;

/// Environment variable that names the folder of TensorRT's libraries.
const LIBRARY_VARIABLE: &str = "SEXTET_TENSORRT";

/// Returns the folder of built engines.
///
/// # Errors
/// When there is no folder for this user, or the configuration cannot be used.
pub(crate) fn engine_cache() -> Result<PathBuf> {
    match config::read()?.tensorrt.cache {
        Some(folder) => Ok(folder),
        None => Ok(Folders::of_user()?.cache().join("engines")),
    }
}

/// Returns the usual folder of built engines, if there is one for this user.
pub(super) fn own_engine_cache() -> Option<PathBuf> {
    Some(Folders::of_user().ok()?.cache().join("engines"))
}

/// Returns the folder into which `sextet setup tensorrt` puts the libraries.
///
/// # Errors
/// When there is no folder for this user.
pub(crate) fn own_libraries() -> Result<PathBuf> {
    Ok(Folders::of_user()?.data().join("tensorrt"))
}

/// Returns the folders of the libraries that the environment and the configuration name. They come
/// before the folder that `setup` fills.
#[cfg(feature = "tensorrt")]
pub(crate) fn named_libraries() -> Vec<PathBuf> {
    let configured = config::read()
        .ok()
        .and_then(|config| config.tensorrt.library);
    let named = env::var_os(LIBRARY_VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    named.into_iter().chain(configured).collect()
}

/// Returns the folders that may hold the libraries, the most explicit first: the environment's, the
/// configuration's, this user's own, the command's own folder and `tensorrt` in it, as in a
/// plugin's bundle.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn library_folders() -> Result<Vec<PathBuf>> {
    let configured = config::read()?.tensorrt.library;
    let named = env::var_os(LIBRARY_VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let beside = env::current_exe()
        .ok()
        .and_then(|command| Some(command.parent()?.to_owned()));

    let around = beside
        .iter()
        .flat_map(|folder| [folder.clone(), folder.join("tensorrt")]);
    Ok(named
        .into_iter()
        .chain(configured)
        .chain(own_libraries().ok())
        .chain(around)
        .collect())
}
