//! GPUs of this machine, the files of TensorRT, and whether engines can use them.

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Result;
use sextet_protocol::{Folders, Remedy};
use sextet_separator::GpuOptions;

use crate::args::Gpus;
use crate::config;
use crate::fault::{Fault, Kind};

/// Environment variable that names the folder of TensorRT's libraries.
const LIBRARY_VARIABLE: &str = "SEXTET_TENSORRT";

/// Environment variable that names GPUs by their numbers.
const GPU_VARIABLE: &str = "SEXTET_GPU";

/// The GPUs that the command line names. They hold for the whole process.
static NAMED_GPUS: OnceLock<Gpus> = OnceLock::new();

/// Makes `gpus` the GPUs of this process, if the command line names some.
pub(crate) fn name_gpus(gpus: Option<Gpus>) {
    if let Some(gpus) = gpus {
        NAMED_GPUS.get_or_init(|| gpus);
    }
}

/// Makes `gpu` the only GPU of this process, if the command line names one.
pub(crate) fn name_gpu(gpu: Option<usize>) {
    name_gpus(gpu.map(|gpu| Gpus::Listed(vec![gpu])));
}

/// Returns the GPUs to use: the command line's, else the environment's, else the configuration's.
/// The list is never empty; code that uses a single GPU takes the first.
///
/// # Errors
/// When the environment names no GPUs, or a named GPU is not on this machine.
fn gpus(configured: usize) -> Result<Vec<usize>> {
    let variable = env::var_os(GPU_VARIABLE).filter(|value| !value.is_empty());
    let named = match (NAMED_GPUS.get(), variable) {
        (Some(gpus), _) => gpus.clone(),
        (None, None) => return Ok(vec![configured]),
        (None, Some(value)) => value
            .to_str()
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| {
                let message = format!(
                    "{GPU_VARIABLE} is '{}', which is not the number of a GPU",
                    value.display()
                );
                Fault::new(Kind::Usage, message).remedy(
                    "set it to 0, 1 and so on, to several such as 0,1, to `all`, or unset it",
                )
            })?,
    };

    let there = gpus_here();
    match named {
        // Without any GPU this yields number 0, and the code that opens it reports that there is
        // none.
        Gpus::All => Ok((0..there.len().max(1)).collect()),
        Gpus::Listed(numbers) => {
            numbers
                .iter()
                .try_for_each(|&number| check_gpu(number, &there))?;
            Ok(numbers)
        }
    }
}

/// Returns the names of the GPUs that the driver shows.
fn gpus_here() -> Vec<String> {
    sextet_separator::gpu::gpus().unwrap_or_default()
}

/// Refuses the number of a GPU that is not among `there`. With no GPUs at all, the code that opens
/// one reports that there is none.
fn check_gpu(named: usize, there: &[String]) -> Result<()> {
    if there.is_empty() || named < there.len() {
        return Ok(());
    }

    let list: Vec<String> = there
        .iter()
        .enumerate()
        .map(|(number, name)| format!("{number} {name}"))
        .collect();

    let message = format!(
        "there is no GPU {named}: this machine has {}: {}",
        there.len(),
        list.join(", ")
    );

    Err(Fault::new(Kind::Usage, message)
        .remedy(Remedy::ChooseGpu {
            there: there.to_vec(),
        })
        .into())
}

/// Returns the options of engines on the first GPU. Without a folder for this user, what is made or
/// measured once is not kept.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn gpu_options() -> Result<GpuOptions> {
    Ok(gpu_options_of_all()?.swap_remove(0))
}

/// Returns the options of engines on each of the GPUs, of which there is at least one.
///
/// # Errors
/// As [`gpu_options`].
pub(crate) fn gpu_options_of_all() -> Result<Vec<GpuOptions>> {
    let config = config::read()?;
    let common = GpuOptions::new()
        .libraries(library_folders()?)
        .cache(config.tensorrt.cache.or_else(own_engine_cache))
        .batch(config.gpu.batch);

    let on = |index| common.clone().index(index);
    Ok(gpus(config.gpu.number)?.into_iter().map(on).collect())
}

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

fn own_engine_cache() -> Option<PathBuf> {
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
/// As [`gpu_options`].
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

/// Returns the GPU that the CUDA engine would run on.
///
/// # Errors
/// The reason why it cannot be used.
pub(crate) fn probe_cuda() -> Result<String> {
    let gpu = sextet_separator::cuda::probe(&gpu_options()?)?;
    Ok(format!("{gpu}; nothing has to be installed"))
}

/// Returns the library and the GPU that TensorRT would run on.
///
/// # Errors
/// The reason why TensorRT cannot be used.
pub(crate) fn probe_tensorrt() -> Result<String> {
    #[cfg(feature = "tensorrt")]
    {
        let found = sextet_separator::tensorrt::probe(&gpu_options()?)?;
        Ok(format!("TensorRT-RTX {} on {}", found.library, found.gpu))
    }
    #[cfg(not(feature = "tensorrt"))]
    Err(not_built_in())
}

/// The error of commands about TensorRT in a build without it.
#[cfg(not(feature = "tensorrt"))]
pub(crate) fn not_built_in() -> anyhow::Error {
    let engine = "tensorrt";
    sextet_separator::Error::from(sextet_separator::EngineError::NotBuiltIn { engine }).into()
}
