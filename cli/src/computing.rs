//! Where TensorRT's files are on this machine, and whether it can be used.

use std::env;
use std::path::PathBuf;

use anyhow::Result;
use sextet_protocol::Folders;
use sextet_separator::TensorRtOptions;

use crate::config;

/// Environment variable that names the folder of TensorRT's libraries.
const LIBRARY_VARIABLE: &str = "SEXTET_TENSORRT";

/// How TensorRT is used here.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn tensorrt_options() -> Result<TensorRtOptions> {
    let config = config::read()?.tensorrt;
    Ok(TensorRtOptions {
        libraries: library_folders()?,
        cache: Some(engine_cache()?),
        batch: config.batch,
        gpu: config.gpu,
        ..TensorRtOptions::default()
    })
}

/// The folder of built engines.
///
/// # Errors
/// When there is no folder for this user, or the configuration cannot be used.
pub(crate) fn engine_cache() -> Result<PathBuf> {
    match config::read()?.tensorrt.cache {
        Some(folder) => Ok(folder),
        None => Ok(Folders::of_user()?.cache().join("engines")),
    }
}

/// Where `sextet setup tensorrt` puts the libraries.
///
/// # Errors
/// When there is no folder for this user.
pub(crate) fn own_libraries() -> Result<PathBuf> {
    Ok(Folders::of_user()?.data().join("tensorrt"))
}

/// Folders of the libraries that somebody has named, which come before the one that `setup` fills: by the environment and by
/// the configuration.
#[cfg(feature = "tensorrt")]
pub(crate) fn named_libraries() -> Vec<PathBuf> {
    let configured = config::read().ok().and_then(|config| config.tensorrt.library);
    let named = env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    named.into_iter().chain(configured).collect()
}

/// Where the libraries may be, the most explicit first: environment, configuration, this user's own, beside the command
/// and in a plugin's bundle around it.
///
/// # Errors
/// As [`tensorrt_options`].
pub(crate) fn library_folders() -> Result<Vec<PathBuf>> {
    let configured = config::read()?.tensorrt.library;
    let named = env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let beside = env::current_exe().ok().and_then(|command| Some(command.parent()?.to_owned()));
    let around = beside.iter().flat_map(|folder| [folder.clone(), folder.join("tensorrt")]);
    Ok(named.into_iter().chain(configured).chain([own_libraries()?]).chain(around).collect())
}

/// What TensorRT would run on.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn probe() -> Result<String> {
    #[cfg(feature = "tensorrt")]
    {
        let found = sextet_separator::tensorrt::probe(&tensorrt_options()?)?;
        Ok(format!("TensorRT-RTX {} on {}", found.library, found.gpu))
    }
    #[cfg(not(feature = "tensorrt"))]
    Err(not_built_in())
}

/// What commands about TensorRT say in a build without it.
#[cfg(not(feature = "tensorrt"))]
pub(crate) fn not_built_in() -> anyhow::Error {
    sextet_separator::Error::from(sextet_separator::EngineError::NotBuiltIn).into()
}
