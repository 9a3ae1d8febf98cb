//! GPUs that engines run on: those that the command line, the environment or the configuration
//! names.

use std::env;
use std::sync::OnceLock;

use anyhow::Result;
use sextet_protocol::Remedy;
use sextet_separator::GpuOptions;

use super::paths::{library_folders, own_engine_cache};
use crate::args::Gpus;
use crate::config;
use crate::fault::{Fault, Kind};

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
