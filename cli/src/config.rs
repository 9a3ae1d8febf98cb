//! The configuration file: choices that are made once for a machine.
//!
//! `config.toml` in the user's configuration folder (`~/.config/sextet`, `~/Library/Application
//! Support/sextet`, `%APPDATA%\sextet`), or the file that `SEXTET_CONFIG` names. It need not exist;
//! flags and environment take precedence over it.

use std::path::PathBuf;

use anyhow::Result;
use serde::Deserialize;

use crate::fault::{Fault, Kind};

/// All configurable values.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) gpu: Gpu,
    pub(crate) tensorrt: TensorRt,
    /// Path of ffmpeg, or `none`.
    pub(crate) ffmpeg: Option<PathBuf>,
}

/// The section `[gpu]`, for all engines on GPUs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gpu {
    /// Number of the GPU.
    pub(crate) number: usize,
    /// Segments at a time.
    pub(crate) batch: Option<usize>,
}

/// The section `[tensorrt]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TensorRt {
    /// Folder of the libraries.
    pub(crate) library: Option<PathBuf>,
    /// Folder of built engines, and of what is measured once for a model.
    pub(crate) cache: Option<PathBuf>,
}

/// Returns the path of the configuration file, whether the file exists or not.
pub(crate) fn path() -> Option<PathBuf> {
    let named = std::env::var_os("SEXTET_CONFIG")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    named.or_else(|| Some(dirs::config_dir()?.join("sextet").join("config.toml")))
}

/// Reads the configuration file. Values that it does not set, and all values when it does not
/// exist, keep their defaults.
///
/// # Errors
/// When the file exists and cannot be read or understood.
pub(crate) fn read() -> Result<Config> {
    let Some(path) = path() else {
        return Ok(Config::default());
    };

    let fault = |what: String| {
        let fault = Fault::new(
            Kind::Usage,
            format!("the configuration '{}' {what}", path.display()),
        );
        fault.remedy("see docs/command.md for what it may hold, or delete it")
    };

    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(error) => return Err(fault(format!("cannot be read: {error}")).into()),
    };

    let config: Config =
        toml::from_str(&text).map_err(|error| fault(format!("is not understood: {error}")))?;
    if let Some(batch) = config.gpu.batch.filter(|batch| !(1..=64).contains(batch)) {
        return Err(fault(format!("asks for a batch of {batch}; expected 1 to 64")).into());
    }
    Ok(config)
}
